"""Text generation on the replicas of a model, relayed by the ingress."""

import asyncio
import logging
from dataclasses import replace

from ray.exceptions import RayError, RayTaskError

from service.errors import Unavailable
from service.ray_serve.remote_graph import MAX_ATTEMPTS, REPLICA_LOST, RemoteGraph
from service.ray_serve.replica import GenerationChunk
from service.runtime.recurrent import RecurrentModel
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import GenerationRequest, GenerationStream

_log = logging.getLogger(__name__)


class _RemoteStream(GenerationStream):
    """A text that grows by the chunks that a replica sends."""

    received_length = 0

    def append_chunk(self, chunk: GenerationChunk) -> None:
        for character in chunk.text:
            self._output.append(character)
        self.received_length += len(chunk.text)
        self.logprobs.extend(chunk.scores)
        self.finish_reason = chunk.finish_reason
        self.set_started()
        if chunk.finish_reason is not None:
            self.set_finished()


class RemoteGenerationScheduler(GenerationScheduler):
    """A `GenerationScheduler` that generates on Ray replicas."""

    def submit(
        self, model: RecurrentModel, generation: GenerationRequest, arrival_time_s: float
    ) -> GenerationStream:
        graph = model.graph
        if not isinstance(graph, RemoteGraph):
            return super().submit(model, generation, arrival_time_s)
        # The replica has already applied the stop strings.
        stream = _RemoteStream(
            replace(generation, stop_strings=()), self.admission.admit(arrival_time_s)
        )
        task = asyncio.create_task(self._relay(graph, generation, stream))
        # Stop relaying if the text was cancelled.
        stream.finished.add_done_callback(lambda _: stream.finish_reason or task.cancel())
        return stream

    async def _relay(
        self, graph: RemoteGraph, request: GenerationRequest, stream: _RemoteStream
    ) -> None:
        try:
            stream.ticket.start()
            for attempt in range(MAX_ATTEMPTS):
                if await self._relay_attempt(graph, request, stream):
                    stream.ticket.record_run()
                    return
                await asyncio.sleep(0.2 * attempt)
            stream.set_failed(Unavailable(REPLICA_LOST))
        except Exception as error:  # noqa: BLE001  # raised again where the text is awaited
            stream.set_failed(error)
        finally:
            stream.ticket.release()

    async def _relay_attempt(
        self, graph: RemoteGraph, request: GenerationRequest, stream: _RemoteStream
    ) -> bool:
        """Return True at the end of the text; False if the replica died and the text can resume."""
        skip = stream.received_length, len(stream.logprobs)
        try:
            async for chunk in graph.generate(request, stream.ticket.remaining_s, skip):
                stream.ticket.check()
                stream.append_chunk(chunk)
        except RayTaskError as error:
            raise Unavailable("the model failed during generation") from error
        except RayError as error:
            _log.warning("a replica was lost", extra={"fields": {"error": repr(error)[:200]}})
            return False
        return True
