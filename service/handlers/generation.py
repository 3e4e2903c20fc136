"""A prompt → the text that a recurrent network generates after it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from models_store.tasks import TextGeneration
from service.errors import InvalidValue
from service.runtime.loaded_model import LoadedModel
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import (
    CHUNK_INTERVAL_S,
    GenerationRequest,
    GenerationStream,
)
from service.scheduling.sampling import SamplingParams

_MAX_LISTED_CHARACTERS = 10
"""Number of unknown characters that an error message names."""


@dataclass(frozen=True)
class TextLimits:
    """Limits of one text."""

    max_prompt_chars: int
    max_text_chars: int

    def check(self, prompt: str, max_chars: int) -> None:
        """Raise InvalidValue, naming the limit, if a request exceeds one."""
        if len(prompt) > self.max_prompt_chars:
            raise InvalidValue(
                f"the prompt has {len(prompt)} characters; the limit is {self.max_prompt_chars}",
                limit=self.max_prompt_chars,
                param="prompt",
            )
        if max_chars > self.max_text_chars:
            raise InvalidValue(
                f"max_chars is {max_chars}; it must be 1 to {self.max_text_chars}",
                limit=self.max_text_chars,
                param="max_chars",
            )


class GenerationGroup:
    """Texts of one request, generated at the same time, in the order of their requests."""

    def __init__(
        self,
        scheduler: GenerationScheduler,
        model: LoadedModel[TextGeneration],
        requests: Sequence[GenerationRequest],
        arrival_time_s: float,
    ) -> None:
        """Queue all texts.

        Raises:
            Overloaded, DeadlineExceeded, Unavailable: see `GenerationScheduler.submit`; then no
            text is generated.
        """
        recurrent = model.require_recurrent()
        self.streams: list[GenerationStream] = []
        try:
            for request in requests:
                self.streams.append(scheduler.submit(recurrent, request, arrival_time_s))
        except BaseException:
            self.cancel()
            raise

    def __iter__(self) -> Iterator[GenerationStream]:
        return iter(self.streams)

    def cancel(self) -> None:
        """Cancel all texts, because the response is no longer needed."""
        for stream in self.streams:
            stream.cancel()

    async def wait_first_tokens(self) -> None:
        """Return when each stream has its first token; raise the first stream's error."""
        await asyncio.gather(*(stream.wait_first_token() for stream in self.streams))

    async def results(self) -> list[str]:
        """Return the finished texts. Raises what `GenerationStream.result` raises."""
        return list(await asyncio.gather(*(stream.result() for stream in self.streams)))

    async def chunks(self) -> AsyncIterator[tuple[int, str, bool]]:
        """Yield a stream's position, its next text, and True for an empty one at its end.

        Raises the first stream's error, as `results`.
        """
        await self.wait_first_tokens()
        running = dict(enumerate(self.streams))
        while running:
            for index, stream in list(running.items()):
                text, done = stream.read_chunk()
                if text:
                    yield index, text, False
                if done:
                    del running[index]
                    yield index, "", True
            if running:
                finished = [stream.finished for stream in running.values()]
                await asyncio.wait(
                    finished, timeout=CHUNK_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED
                )


def check_generation_count(count: int, limit: int) -> None:
    """Raise InvalidValue if a request has more texts than are ever generated at the same time."""
    if count > limit:
        raise InvalidValue(
            f"{count} texts are requested; one request may ask for 1 to {limit}", param="n"
        )


def build_generation_request(
    model: LoadedModel[TextGeneration],
    prompt: str,
    max_chars: int,
    sampling: SamplingParams,
    limits: TextLimits,
    *,
    seed: int | None = None,
    stop: tuple[str, ...] = (),
    top_logprobs: int | None = None,
) -> GenerationRequest:
    """Return what the scheduler needs to generate the text; without a seed, with a random one.

    Raises:
        InvalidValue: a limit is exceeded, or the prompt has characters that the model does not
            know; names them.
    """
    limits.check(prompt, max_chars)
    task = model.task
    token_ids = {character: token for token, character in enumerate(task.vocabulary)}
    unknown = [character for character in dict.fromkeys(prompt) if character not in token_ids]
    if unknown:
        raise InvalidValue(
            _unknown_characters_message(model, unknown),
            characters=unknown[:_MAX_LISTED_CHARACTERS],
            param="prompt",
        )
    return GenerationRequest(
        prompt=[token_ids[character] for character in task.start + prompt],
        vocabulary=task.vocabulary,
        max_chars=max_chars,
        seed=secrets.randbits(32) if seed is None else seed,
        sampling=sampling,
        stop_strings=stop,
        top_logprobs=top_logprobs,
    )


def list_characters(characters: Sequence[str]) -> str:
    """Return the characters with their code points, for a message."""
    return ", ".join(f"{character!r} (U+{ord(character):04X})" for character in characters)


def _unknown_characters_message(model: LoadedModel[TextGeneration], unknown: list[str]) -> str:
    listed = list_characters(unknown[:_MAX_LISTED_CHARACTERS])
    omitted = len(unknown) - _MAX_LISTED_CHARACTERS
    more = f" and {omitted} more" if omitted > 0 else ""
    vocabulary = model.task.vocabulary
    return (
        f"the prompt has characters that {model.name} does not know: {listed}{more}; it knows "
        f"{len(vocabulary)}: {vocabulary!r}"
    )
