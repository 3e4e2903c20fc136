"""One published version, from its folder into memory: verified, loaded, and proved by replay."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store.compression.container import fingerprint
from models_store.compression.factorized import Tables, read_tables
from models_store.compression.hyperprior import LevelTables, read_level_tables
from models_store.compression.image_codec import Photographs
from models_store.errors import ManifestError
from models_store.manifest import Manifest, ModelFile, Precision
from models_store.tasks import (
    Classification,
    Compression,
    Hyperprior,
    Task,
)
from models_store.verify import check_files, replay
from service.errors import Invalid
from service.runtime.graph_signature import CHANNELS, check_interface
from service.runtime.session import Session

__all__ = [
    "Coding",
    "FixedCoding",
    "FreeCoding",
    "Graph",
    "OpenGraph",
    "Published",
    "load",
    "open_session",
]

TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)

_MEASURED_RUNS = 5


class Graph(Protocol):
    """What runs: a session of this process, or one elsewhere. Safe to call from any thread."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]: ...


OpenGraph = Callable[[bytes, Manifest, ModelFile], Graph]
"""A graph's bytes, whose it is, and what the manifest says of it → the graph, ready to run."""


def open_session(graph: bytes, manifest: Manifest, spec: ModelFile) -> Graph:
    """The graph in this process. Raises what `Session` raises."""
    del manifest
    return Session(graph, spec)


@dataclass(frozen=True)
class FixedCoding:
    """How the latents of a model for pictures of one size become bytes."""

    tables: Tables
    fingerprint: bytes
    shape_Dhw: tuple[int, int, int]
    """Latent dimensions, and the places of each."""


@dataclass(frozen=True)
class FreeCoding:
    """How pictures of any size become bytes, and back."""

    photographs: Photographs
    fingerprint: bytes


Coding = FixedCoding | FreeCoding


@dataclass(frozen=True)
class Published(Generic[TaskT_co]):
    """A version that computes the right answer. All that a request needs, with no file to open."""

    name: str
    version: int
    task: TaskT_co
    graphs: Mapping[str, Graph]
    """By role, as the manifest names them."""
    preview: bytes
    """A PNG."""
    is_ensemble: bool
    coding: Coding | None = None
    """Of a compression model alone."""
    picture_s: float = inf
    """What a run for one picture takes here, where nothing disturbs it: measured when it was
    loaded. Of a classifier alone."""
    precision: Precision = "fp32"
    """Of `graphs`."""
    others: Mapping[Precision, "Published[TaskT_co]"] = field(default_factory=dict)
    """The same version in other precisions."""

    def at(self, precision: Precision) -> "Published[TaskT_co]":
        """The same version in this precision.

        Raises:
            Invalid: there is none; says which there are.
        """
        if precision == self.precision:
            return self
        if precision not in self.others:
            there = sorted({self.precision, *self.others})
            raise Invalid(
                f"precision is {precision}; {self.name} {self.version} has {', '.join(there)}",
                accepted=there,
            )
        return self.others[precision]


def load(
    folder: Path,
    manifest: Manifest,
    open_graph: OpenGraph = open_session,
    preferred: Precision | None = None,
) -> Published[Task]:
    """Verify and load what lies in `folder`, in all its precisions.

    The one that answers is `preferred`, where there is such a variant; else the manifest's choice.

    Raises:
        StoreError: saying what is wrong with it.
    """
    check_files(folder, manifest)
    there: list[Precision] = ["fp32", *(variant.precision for variant in manifest.variants)]
    loaded = {one: _computing(folder, manifest, one, open_graph) for one in there}
    first = preferred if preferred in loaded else manifest.served
    others = {
        precision: replace(model, others={p: m for p, m in loaded.items() if p != precision})
        for precision, model in loaded.items()
        if precision != first
    }
    return replace(loaded[first], others=others)


def _computing(
    folder: Path, manifest: Manifest, precision: Precision, open_graph: OpenGraph
) -> Published[Task]:
    specs = manifest.graphs(precision)
    check_interface(manifest.task, specs)
    graphs = {
        role: open_graph((folder / spec.path).read_bytes(), manifest, spec)
        for role, spec in specs.items()
    }
    for role, spec in specs.items():
        graph = graphs[role]
        once = graph.run_once if isinstance(graph, Session) else graph.run
        replay(folder, manifest, spec, once)
    return Published(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        graphs=graphs,
        preview=(folder / manifest.file("preview").path).read_bytes(),
        is_ensemble=any(out.name == "members" for spec in specs.values() for out in spec.outputs),
        coding=(
            _coding(folder, manifest, manifest.task, graphs)
            if isinstance(manifest.task, Compression)
            else None
        ),
        picture_s=_picture_s(manifest.task, graphs),
        precision=precision,
    )


def _picture_s(task: Task, graphs: Mapping[str, Graph]) -> float:
    if not isinstance(task, Classification) or not isinstance(graphs["model"], Session):
        return inf  # a graph that runs elsewhere is waited for, which is not brief
    spec = task.image
    picture_BHWC: NDArray[np.generic] = np.zeros(
        (1, spec.height, spec.width, CHANNELS[spec.mode]), np.uint8
    )
    # The fastest: whatever else the machine does while it loads only makes a run longer.
    return min(_seconds(graphs["model"], {"images": picture_BHWC}) for _ in range(_MEASURED_RUNS))


def _seconds(graph: Graph, inputs: Mapping[str, NDArray[np.generic]]) -> float:
    start = time.perf_counter()
    graph.run(inputs)
    return time.perf_counter() - start


def _coding(
    folder: Path, manifest: Manifest, task: Compression, graphs: Mapping[str, Graph]
) -> Coding:
    path, mark = folder / manifest.file("tables").path, fingerprint(manifest)
    if isinstance(task.entropy, Hyperprior):
        runs = {role: graph.run for role, graph in graphs.items()}
        return FreeCoding(Photographs(task, _level_tables(path, task.entropy), runs), mark)
    tables = read_tables(path)
    shape = next(o.shape for o in manifest.file("encoder").outputs if o.name == "latents")
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    if len(sizes) != 3 or sizes[0] != len(tables.tables):
        raise ManifestError(
            f"latents are {list(shape)}, needed are [batch, D, h, w] with a table for each of D; "
            f"there are {len(tables.tables)} tables"
        )
    return FixedCoding(tables, mark, (sizes[0], sizes[1], sizes[2]))


def _level_tables(path: Path, entropy: Hyperprior) -> LevelTables:
    tables = read_level_tables(path)
    if len(tables.side_levels) != entropy.qualities:
        raise ManifestError(
            f"{path.name} is of {len(tables.side_levels)} qualities, the task has "
            f"{entropy.qualities}"
        )
    return tables
