"""The replica of a model's deployment: runs graphs and generates texts, without HTTP."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import Precision
from models_store.tasks import TextGeneration
from service.errors import NotFound
from service.runtime.graph_loader import LoadOptions
from service.runtime.loaded_model import LoadedModel
from service.runtime.providers import create_providers
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import FinishReason, GenerationRequest
from service.scheduling.sampling import TokenLogprobs
from service.settings import Settings

VersionKey = tuple[int, Precision]
"""A version and the precision of its graphs."""


@dataclass(frozen=True)
class GenerationChunk:
    """Text generated since the previous chunk."""

    text: str
    scores: list[TokenLogprobs]
    finish_reason: FinishReason | None = None
    """Set in the last chunk."""


class ModelReplica:
    """All versions of one model, verified and replayed as in any service.

    Texts share the runs of their replica: each replica does continuous batching by itself.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        streams, deadline_s = settings.max_concurrent_generations, settings.deadline_s
        self._registry = Registry(
            settings.store,
            enabled_models=(name,),
            trusted_keys=settings.load_trusted_keys(),
            options=LoadOptions(
                providers=create_providers(settings.providers),
                max_text_batch_size=streams,
                batching=settings.batching,
                max_tensor_memory_bytes=settings.max_tensor_memory_bytes,
                max_run_s=deadline_s,
            ),
        )
        self._registry.refresh()
        # The ingress limits requests; what it admits is not rejected here.
        self._admission = AdmissionController(
            running=streams, waiting=10_000, deadline_s=deadline_s
        )
        self._scheduler = GenerationScheduler(self._admission, streams)

    def run(
        self, key: VersionKey, role: str, inputs: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """Run a graph. Ray calls it on a separate thread."""
        return self._get_model(key).graphs[role].run(inputs)

    async def generate(
        self, key: VersionKey, request: GenerationRequest, remaining_s: float, skip: tuple[int, int]
    ) -> AsyncIterator[GenerationChunk]:
        """Yield a text as it is generated, without its first characters and scores (`skip`).

        A text depends only on its seed, so after the loss of a replica, another one can resume it.
        """
        model = self._get_model(key)
        if not isinstance(model.task, TextGeneration):
            raise NotFound(f"{self._name} does not generate texts")
        now_s = self._admission.now()
        arrival_time_s = now_s - (self._admission.remaining_s(now_s) - remaining_s)
        stream = self._scheduler.submit(model.require_recurrent(), request, arrival_time_s)
        sent, sent_scores = 0, skip[1]
        try:
            async for chunk in stream.chunks():
                text = chunk[max(0, skip[0] - sent) :]
                sent += len(chunk)
                scores = stream.logprobs[sent_scores:]
                sent_scores += len(scores)
                yield GenerationChunk(text, scores)
            yield GenerationChunk("", stream.logprobs[sent_scores:], stream.final_reason)
        finally:
            stream.cancel()

    def _get_model(self, key: VersionKey) -> LoadedModel[Any]:
        version, precision = key
        entry = self._registry.catalog.versions.get((self._name, version))
        if entry is None or entry.model is None:  # published since the last scan
            self._registry.refresh()
            entry = self._registry.catalog.get_version(self._name, version)
        return entry.require_model().with_precision(precision)
