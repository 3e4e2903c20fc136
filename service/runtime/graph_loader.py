"""Open one graph: on a provider that reproduces its golden cases, and with dynamic batching."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from models_store.batching import Batching
from models_store.errors import ReplayError
from models_store.manifest import Manifest, ModelFile, Precision
from models_store.onnx.batching import measure_batching
from models_store.tasks import Tensors
from models_store.verify import read_golden_cases, replay_graph
from service.runtime.batched_graph import BatchedGraph, find_batch_sizes
from service.runtime.bounded_arena import bounded_arena
from service.runtime.loaded_model import Graph
from service.runtime.providers import CPU, Provider
from service.runtime.run_limit import run_limit
from service.runtime.session import Session

_log = logging.getLogger(__name__)

GraphLoader = Callable[[bytes, Manifest, ModelFile], Graph]
"""The bytes of a graph, its manifest and its entry in the manifest → the graph, ready to run."""


@dataclass(frozen=True)
class LoadOptions:
    """Settings that apply to every version that is loaded."""

    load_graph: GraphLoader | None = None
    """Loads graphs elsewhere; None: in this process, on the first suitable one of `providers`."""
    providers: Sequence[Provider] = (CPU,)
    precision: Precision | None = None
    """Default precision of versions that have it; None: the manifest's choice."""
    max_text_batch_size: int = 32
    batching: Mapping[str, Batching] = field(default_factory=dict)
    """Limits of dynamic batching by model, `*` for all, which replace those of the manifests."""
    max_tensor_memory_bytes: int = 1 << 30
    """Memory of the runs of models with the task *tensors*."""
    max_run_s: float = 60.0
    """Seconds after which a run of a model with the task *tensors* is ended."""

    @property
    def loaders(self) -> list[GraphLoader]:
        if self.load_graph is not None:
            return [self.load_graph]
        return [
            partial(load_session, provider=provider, options=self) for provider in self.providers
        ]


DEFAULT_OPTIONS = LoadOptions()


def load_session(
    graph: bytes,
    manifest: Manifest,
    spec: ModelFile,
    provider: Provider = CPU,
    options: LoadOptions = DEFAULT_OPTIONS,
) -> Graph:
    """Load the graph in this process. Raises what `Session` raises."""
    if not isinstance(manifest.task, Tensors):
        return Session(graph, spec, provider)
    is_cpu = provider.name == CPU.name
    arena = bounded_arena(options.max_tensor_memory_bytes) if is_cpu else None
    return Session(graph, spec, provider, arena=arena, run_limit=run_limit(options.max_run_s))


@dataclass(frozen=True)
class OpenGraph:
    """A graph whose golden cases have been replayed."""

    graph: Graph
    provider: str | None
    """Execution provider; None for a graph that runs elsewhere."""


def open_graph(
    folder: Path, manifest: Manifest, spec: ModelFile, options: LoadOptions
) -> OpenGraph:
    """Return the graph on the first provider that reproduces its golden cases.

    Raises:
        StoreError: none does; says why the last one does not.
    """
    *preferred, last = options.loaders
    for load_graph in preferred:
        try:
            return _open_verified(folder, manifest, spec, load_graph, options)
        except ReplayError as error:
            fields = {"model": manifest.name, "graph": spec.path, "reason": str(error)}
            _log.warning("graph falls back to the next provider", extra={"fields": fields})
    return _open_verified(folder, manifest, spec, last, options)


def _open_verified(
    folder: Path, manifest: Manifest, spec: ModelFile, load_graph: GraphLoader, options: LoadOptions
) -> OpenGraph:
    graph = load_graph((folder / spec.path).read_bytes(), manifest, spec)
    if not isinstance(graph, Session):  # it is batched where it runs
        replay_graph(folder, manifest, spec, graph.run)
        return OpenGraph(graph, None)
    factor = graph.provider.tolerance_factor
    replay_graph(folder, manifest, spec, graph.run_and_shrink_arena, tolerance_factor=factor)
    batched = _enable_batching(folder, manifest, spec, graph, options)
    return OpenGraph(batched, graph.provider.name)


def _enable_batching(
    folder: Path, manifest: Manifest, spec: ModelFile, graph: Session, options: LoadOptions
) -> Graph:
    """Return the graph with dynamic batching if it is on and rows do not depend on each other."""
    if not spec.is_batchable:
        return graph
    golden = folder / manifest.get_file("golden").path
    cases = [case.inputs for case in read_golden_cases(golden, spec, manifest.golden.cases)]
    limits = options.batching.get(manifest.name) or options.batching.get("*")
    if limits is None and graph.provider.name != "cpu":
        limits = measure_batching(graph.run, cases[0])  # the manifest's were measured on the CPU
    limits = limits or manifest.batching.get(spec.path)
    if limits is None or limits.max_batch_size == 1:
        return graph
    sizes = find_batch_sizes(graph, cases, limits.max_batch_size)
    _log_batch_sizes(manifest, spec, sizes, limits.max_batch_size)
    if not sizes:
        return graph
    return BatchedGraph(
        graph, model=manifest.name, batch_sizes=sizes, max_wait_s=limits.max_wait_ms / 1000
    )


def _log_batch_sizes(
    manifest: Manifest, spec: ModelFile, sizes: Sequence[int], max_batch_size: int
) -> None:
    fields: dict[str, object] = {"model": manifest.name, "version": manifest.version}
    fields["graph"] = spec.path
    if not sizes:
        _log.warning("rows of a batch depend on each other, not batching", extra={"fields": fields})
    elif len(sizes) < max_batch_size:
        fields["sizes"] = ",".join(map(str, sizes))
        _log.info("graph is not batch-invariant, padding its batches", extra={"fields": fields})
