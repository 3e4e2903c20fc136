"""One model of the shelf in processes of its own: what a replica does, and nothing of HTTP."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import Precision
from models_store.tasks import TextGeneration
from service.errors import NotFound, Unavailable
from service.runtime.loaded_model import Published
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.batch_state import Recurrent
from service.scheduling.continuous_batching import Decoder
from service.scheduling.generation_stream import FinishReason, Generation
from service.scheduling.sampling import Score
from service.settings import Settings

__all__ = ["Model", "VersionAt", "Written"]

VersionAt = tuple[int, Precision]
"""A version, and which of its graphs."""


@dataclass(frozen=True)
class Written:
    """What came to a text since the last of these."""

    text: str
    scores: list[Score]
    reason: FinishReason | None = None
    """With the last one."""


class Model:
    """All versions of one model, verified and replayed here as in any service.

    Texts share the runs of their replica: continuous batching is each replica's own.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        streams, deadline_s = settings.text_streams, settings.deadline_s
        self._registry = Registry(settings.store, only=(name,), trusted=settings.trusted())
        self._registry.refresh()
        # Bounded by the ingress: what it let in is not refused here.
        self._gate = AdmissionController(running=streams, waiting=10_000, deadline_s=deadline_s)
        self._decoder = Decoder(self._gate, streams)

    def run(
        self, version: VersionAt, role: str, inputs: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """One run of a graph; Ray calls it on a thread of its own."""
        return self._version(version).graphs[role].run(inputs)

    async def write(
        self, version: VersionAt, asked: Generation, remaining_s: float, skip: tuple[int, int]
    ) -> AsyncIterator[Written]:
        """A text as it is written, but for the first characters and scores, `skip` of each.

        A text depends on its seed alone: one that was lost with its replica goes on at another.
        """
        model = self._version(version)
        if not isinstance(model.task, TextGeneration):
            raise NotFound(f"{self._name} writes no texts")
        now = self._gate.now()
        arrived = now - (self._gate.remaining_s(now) - remaining_s)
        recurrent = Recurrent(model.graphs["step"], model.task.states)
        stream = self._decoder.submit(recurrent, asked, arrived)
        told, scored = 0, skip[1]
        try:
            async for piece in stream.pieces():
                new = piece[max(0, skip[0] - told) :]
                told += len(piece)
                scores = stream.scores[scored:]
                scored += len(scores)
                yield Written(new, scores)
            yield Written("", stream.scores[scored:], stream.reason)
        finally:
            stream.abandon()

    def _version(self, at: VersionAt) -> Published[Any]:
        version, precision = at
        model = self._registry.shelf.entries.get((self._name, version))
        if model is None or model.model is None:  # published since the last look
            self._registry.refresh()
            model = self._registry.shelf.entry(self._name, version)
        if model.model is None:
            raise Unavailable(f"{self._name} {version} is {model.state}{model.because}")
        return model.model.at(precision)
