"""Load a published version from its folder: verify it, and replay its golden cases."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store.batching import Batching
from models_store.compression.container import fingerprint
from models_store.compression.factorized import FrequencyTables
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.compression.tables import latent_shape, load_tables
from models_store.manifest import Manifest, ModelFile, Precision
from models_store.tasks import Compression, Task, TextGeneration
from models_store.verify import check_files, load_graphs, read_golden_cases
from service.errors import InvalidValue
from service.runtime.batched_graph import BatchedGraph, find_batch_sizes
from service.runtime.recurrent import RecurrentModel, is_batch_invariant
from service.runtime.session import Session

__all__ = [
    "FactorizedCodec",
    "Graph",
    "GraphLoader",
    "HyperpriorCodec",
    "ImageCodec",
    "LoadedModel",
    "load",
    "load_session",
]

_log = logging.getLogger(__name__)

TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)

_LATENCY_RUNS = 5


class Graph(Protocol):
    """A graph that can run, in this process or on a replica. Safe to call from any thread."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]: ...


GraphLoader = Callable[[bytes, Manifest, ModelFile], Graph]
"""The bytes of a graph, its manifest and its entry in the manifest → the graph, ready to run."""


def load_session(graph: bytes, manifest: Manifest, spec: ModelFile) -> Graph:
    """Load the graph in this process. Raises what `Session` raises."""
    del manifest
    return Session(graph, spec)


@dataclass(frozen=True)
class FactorizedCodec:
    """Entropy coding for models of fixed-size images."""

    tables: FrequencyTables
    fingerprint: bytes
    shape_Dhw: tuple[int, int, int]
    """Number of latent dimensions, and height and width of each."""


@dataclass(frozen=True)
class HyperpriorCodec:
    """Entropy coding for models of images of any size."""

    image_codec: HyperpriorImageCodec
    fingerprint: bytes


ImageCodec = FactorizedCodec | HyperpriorCodec


@dataclass(frozen=True)
class LoadedModel(Generic[TaskT_co]):
    """A verified version in memory, with all that requests need."""

    name: str
    version: int
    task: TaskT_co
    graphs: Mapping[str, Graph]
    """Graphs by their role in the manifest."""
    preview: bytes
    """A PNG."""
    codec: ImageCodec | None = None
    """Present for compression models."""
    recurrent: RecurrentModel | None = None
    """Present for text models."""
    precision: Precision = "fp32"
    """Precision of `graphs`."""
    variants: Mapping[Precision, "LoadedModel[TaskT_co]"] = field(default_factory=dict)
    """The same version in other precisions."""

    @property
    def batch_key(self) -> tuple[str, int] | None:
        """Return what requests that may share runs have in common; None if none may."""
        models = (self, *self.variants.values())
        batches = any(isinstance(g, BatchedGraph) for m in models for g in m.graphs.values())
        return (self.name, self.version) if batches else None

    def require_recurrent(self) -> RecurrentModel:
        """Return `recurrent`. Raises TypeError for a model that does not generate text."""
        if self.recurrent is None:
            raise TypeError(f"{self.name} {self.version} does not generate text")
        return self.recurrent

    def with_precision(self, precision: Precision) -> "LoadedModel[TaskT_co]":
        """Return the same version in this precision.

        Raises:
            InvalidValue: there is none; lists the available ones.
        """
        if precision == self.precision:
            return self
        if precision not in self.variants:
            available = sorted({self.precision, *self.variants})
            raise InvalidValue(
                f"precision is {precision}; {self.name} {self.version} has {', '.join(available)}",
                accepted=available,
            )
        return self.variants[precision]


def load(
    folder: Path,
    manifest: Manifest,
    load_graph: GraphLoader = load_session,
    preferred_precision: Precision | None = None,
    max_batch_size: int = 32,
    batching: Mapping[str, Batching] | None = None,
) -> LoadedModel[Task]:
    """Verify and load the version in `folder`, in all its precisions.

    The default precision is `preferred_precision` if the version has it, else the manifest's
    choice. `batching` has limits of dynamic batching by model, `*` for all, which replace those of
    the manifest.

    Raises:
        StoreError: the version does not verify; says why.
    """
    check_files(folder, manifest)
    precisions: list[Precision] = ["fp32", *(variant.precision for variant in manifest.variants)]
    loaded = {
        precision: _load_precision(
            folder, manifest, precision, load_graph, max_batch_size, batching or {}
        )
        for precision in precisions
    }
    default_precision = preferred_precision if preferred_precision in loaded else manifest.served
    variants = {
        precision: replace(model, variants={p: m for p, m in loaded.items() if p != precision})
        for precision, model in loaded.items()
        if precision != default_precision
    }
    return replace(loaded[default_precision], variants=variants)


def _load_precision(
    folder: Path,
    manifest: Manifest,
    precision: Precision,
    load_graph: GraphLoader,
    max_batch_size: int,
    batching: Mapping[str, Batching],
) -> LoadedModel[Task]:
    loaded = load_graphs(
        folder,
        manifest,
        precision,
        lambda graph, spec: load_graph(graph, manifest, spec),
        lambda graph: graph.run_and_shrink_arena if isinstance(graph, Session) else graph.run,
    )
    specs = manifest.graphs(precision)
    graphs = {
        role: _enable_batching(folder, manifest, specs[role], graph, batching)
        for role, graph in loaded.items()
    }
    return LoadedModel(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        graphs=graphs,
        preview=(folder / manifest.get_file("preview").path).read_bytes(),
        codec=(
            _load_codec(folder, manifest, manifest.task, graphs)
            if isinstance(manifest.task, Compression)
            else None
        ),
        recurrent=(
            _prepare_recurrent(manifest, graphs["step"], manifest.task, max_batch_size)
            if isinstance(manifest.task, TextGeneration)
            else None
        ),
        precision=precision,
    )


def _enable_batching(
    folder: Path,
    manifest: Manifest,
    spec: ModelFile,
    graph: Graph,
    batching: Mapping[str, Batching],
) -> Graph:
    """Return the graph with dynamic batching if it is on and rows do not depend on each other."""
    recorded = manifest.batching.get(spec.path)
    limits = batching.get(manifest.name) or batching.get("*") or recorded
    # A remote graph is batched where it runs.
    if limits is None or limits.max_batch_size == 1 or not isinstance(graph, Session):
        return graph
    if not spec.is_batchable:
        return graph
    golden = folder / manifest.get_file("golden").path
    cases = [case.inputs for case in read_golden_cases(golden, spec, manifest.golden.cases)]
    sizes = find_batch_sizes(graph, cases, limits.max_batch_size)
    fields = {"model": manifest.name, "version": manifest.version, "graph": spec.path}
    if not sizes:
        _log.warning("rows of a batch depend on each other, not batching", extra={"fields": fields})
        return graph
    if len(sizes) < limits.max_batch_size:
        fields["sizes"] = ",".join(map(str, sizes))
        _log.info("graph is not batch-invariant, padding its batches", extra={"fields": fields})
    return BatchedGraph(
        graph, model=manifest.name, batch_sizes=sizes, max_wait_s=limits.max_wait_ms / 1000
    )


def _prepare_recurrent(
    manifest: Manifest, graph: Graph, task: TextGeneration, max_batch_size: int
) -> RecurrentModel:
    # A remote graph is batched where it runs.
    invariant = not isinstance(graph, Session) or is_batch_invariant(
        graph, task.states, max_batch_size
    )
    if not invariant:
        fields = {"model": manifest.name, "version": manifest.version}
        _log.warning("graph is not batch-invariant, padding every run", extra={"fields": fields})
    return RecurrentModel(graph, task.states, batch_invariant=invariant)


def _load_codec(
    folder: Path, manifest: Manifest, task: Compression, graphs: Mapping[str, Graph]
) -> ImageCodec:
    tables = load_tables(folder, manifest, task)
    if isinstance(tables, FrequencyTables):
        return FactorizedCodec(tables, fingerprint(manifest), latent_shape(manifest))
    runs = {role: graph.run for role, graph in graphs.items()}
    return HyperpriorCodec(HyperpriorImageCodec(task, tables, runs), fingerprint(manifest))
