"""Several texts for one request: all of them are written, or none."""

import asyncio
from collections.abc import Iterator, Sequence

from models_store.tasks import TextGeneration
from service.errors import InvalidValue
from service.handlers.text import start_generation
from service.runtime.loaded_model import LoadedModel
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import GenerationRequest, GenerationStream

__all__ = ["GenerationGroup", "check_generation_count"]


class GenerationGroup:
    """Texts that are written at the same time, in the order in which they were asked for."""

    def __init__(
        self,
        scheduler: GenerationScheduler,
        model: LoadedModel[TextGeneration],
        requests: Sequence[GenerationRequest],
        arrival_time_s: float,
    ) -> None:
        """They begin to be written.

        Raises:
            Overloaded, DeadlineExceeded, Unavailable: see `GenerationScheduler.submit`; then none
            is written.
        """
        self.streams: list[GenerationStream] = []
        try:
            for request in requests:
                self.streams.append(start_generation(scheduler, model, request, arrival_time_s))
        except BaseException:
            self.cancel()
            raise

    def __iter__(self) -> Iterator[GenerationStream]:
        return iter(self.streams)

    def cancel(self) -> None:
        """Nobody waits for them any more."""
        for stream in self.streams:
            stream.cancel()

    async def wait_first_tokens(self) -> None:
        """Return when each stream has its first token; raise the first stream's error."""
        await asyncio.gather(*(stream.wait_first_token() for stream in self.streams))

    async def results(self) -> list[str]:
        """The texts. Raises what `GenerationStream.whole` raises."""
        return list(await asyncio.gather(*(stream.result() for stream in self.streams)))


def check_generation_count(count: int, limit: int) -> None:
    """Raises Invalid: more texts than are ever written at the same time."""
    if count > limit:
        raise InvalidValue(
            f"{count} texts are asked for; accepted are 1 to {limit} in one request", param="n"
        )
