"""A published version in memory: everything that a request needs, without opening a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store.compression.image_codec import ImageCodec
from models_store.manifest import Manifest, Precision
from models_store.tasks import Task
from service.errors import InvalidValue
from service.runtime.batched_graph import BatchedGraph
from service.runtime.recurrent import RecurrentModel

TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)


class Graph(Protocol):
    """A graph that can run, in this process or on a replica. Safe to call from any thread."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]: ...


@dataclass(frozen=True)
class LoadedModel(Generic[TaskT_co]):
    """A verified version in memory, with all that requests need."""

    manifest: Manifest
    task: TaskT_co
    """The task of the manifest."""
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
    providers: Mapping[str, str] = field(default_factory=dict)
    """Execution provider of each graph in this process, by role."""
    variants: Mapping[Precision, "LoadedModel[TaskT_co]"] = field(default_factory=dict)
    """The same version in other precisions."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def batch_key(self) -> tuple[str, int] | None:
        """Return what requests that may share runs have in common; None if none may."""
        models = (self, *self.variants.values())
        batches = any(isinstance(g, BatchedGraph) for m in models for g in m.graphs.values())
        return (self.name, self.version) if batches else None

    def require_codec(self) -> ImageCodec:
        """Return `codec`. Raises TypeError for a model that does not compress."""
        if self.codec is None:
            raise TypeError(f"{self.name} {self.version} does not compress images")
        return self.codec

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
