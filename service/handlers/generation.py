"""Several texts for one request: all of them are written, or none."""

import asyncio
from collections.abc import Iterator, Sequence

from models_store.tasks import TextGeneration
from service.errors import Invalid
from service.handlers.text import write
from service.runtime.loaded_model import Published
from service.scheduling.continuous_batching import Decoder
from service.scheduling.generation_stream import Generation, Stream

__all__ = ["Texts", "check_count"]


class Texts:
    """Texts that are written at the same time, in the order in which they were asked for."""

    def __init__(
        self,
        decoder: Decoder,
        model: Published[TextGeneration],
        whats: Sequence[Generation],
        arrived: float,
    ) -> None:
        """They begin to be written.

        Raises:
            Overloaded, DeadlineExceeded, Unavailable: see `Decoder.submit`; then none is written.
        """
        self.streams: list[Stream] = []
        try:
            for what in whats:
                self.streams.append(write(decoder, model, what, arrived))
        except BaseException:
            self.abandon()
            raise

    def __iter__(self) -> Iterator[Stream]:
        return iter(self.streams)

    def abandon(self) -> None:
        """Nobody waits for them any more."""
        for stream in self.streams:
            stream.abandon()

    async def started(self) -> None:
        """Return when each has its first character. Raises what `Stream.started` raises."""
        await asyncio.gather(*(stream.started() for stream in self.streams))

    async def whole(self) -> list[str]:
        """The texts. Raises what `Stream.whole` raises."""
        return list(await asyncio.gather(*(stream.whole() for stream in self.streams)))


def check_count(count: int, limit: int) -> None:
    """Raises Invalid: more texts than are ever written at the same time."""
    if count > limit:
        raise Invalid(f"{count} texts are asked for; accepted are 1 to {limit} in one request")
