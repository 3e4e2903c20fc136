"""Texts that are written by the replicas of a model, and told by the ingress."""

import asyncio
import logging
from dataclasses import replace

from ray.exceptions import RayError

from service.errors import Unavailable
from service.ray_serve.remote_graph import LOST, TRIES, RemoteGraph, is_lost
from service.ray_serve.replica import Written
from service.scheduling.batch_state import Recurrent
from service.scheduling.continuous_batching import Decoder
from service.scheduling.generation_stream import Generation, Stream

__all__ = ["RemoteDecoder"]

_log = logging.getLogger(__name__)


class _Followed(Stream):
    """A text that grows by what comes in."""

    length = 0

    def add(self, written: Written) -> None:
        for character in written.text:
            self._writing.write(character)
        self.length += len(written.text)
        self.scores.extend(written.scores)
        self.finish_reason = written.reason
        self._settle(self.begun)
        if written.reason is not None:
            self._settle(self.finished)

    def fail(self, error: Exception) -> None:
        for future in (self.begun, self.finished):
            if not future.done():
                future.set_exception(error)

    @staticmethod
    def _settle(future: "asyncio.Future[None]") -> None:
        if not future.done():
            future.set_result(None)


class RemoteDecoder(Decoder):
    """As a `Decoder` to the routes. What it is asked for is written elsewhere."""

    def submit(self, model: Recurrent, generation: Generation, arrived: float) -> Stream:
        graph = model.graph
        if not isinstance(graph, RemoteGraph):
            return super().submit(model, generation, arrived)
        # What ends the text has been cut off when it comes.
        stream = _Followed(replace(generation, stops=()), self.gate.admit(arrived))
        task = stream.loop.create_task(self._follow(graph, generation, stream))
        # Where it was abandoned, nobody needs the rest.
        stream.finished.add_done_callback(lambda _: stream.finish_reason or task.cancel())
        return stream

    async def _follow(self, graph: RemoteGraph, asked: Generation, stream: _Followed) -> None:
        try:
            stream.ticket.start()
            for attempt in range(TRIES):
                if await self._received(graph, asked, stream):
                    stream.ticket.ran()
                    return
                await asyncio.sleep(0.2 * attempt)
            stream.fail(Unavailable(LOST))
        except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits is told
            stream.fail(error)
        finally:
            stream.ticket.close()

    async def _received(self, graph: RemoteGraph, asked: Generation, stream: _Followed) -> bool:
        """Whether the text came to its end; False where its replica died, and it may go on."""
        done = stream.length, len(stream.scores)
        try:
            async for written in graph.write(asked, stream.ticket.remaining_s, done):
                stream.ticket.check()
                stream.add(written)
        except RayError as error:
            if is_lost(error):
                _log.warning("a replica was lost", extra={"fields": {"error": repr(error)[:200]}})
                return False
            raise Unavailable("the model failed while it wrote") from error
        return True
