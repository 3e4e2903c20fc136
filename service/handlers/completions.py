"""OpenAI's completions: options → texts → choices, whole or in pieces. A token is a character."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from models_store.tasks import TextGeneration
from service.errors import Invalid
from service.handlers.generation import Texts
from service.handlers.text import TextLimits, generation
from service.runtime.loaded_model import Published
from service.scheduling.generation_stream import Generation, Stream
from service.schemas.openai import Completion, CompletionChoice, CompletionOptions, LogProbs, Usage
from service.schemas.text import TextOptions

__all__ = ["Telling", "generations"]

_SEEDS = 2**63
_LEAST_TOP_P = 1e-9
"""0 is accepted there, and means the likeliest alone; so does this."""


def generations(
    model: Published[TextGeneration], options: CompletionOptions, limits: TextLimits
) -> list[Generation]:
    """What is to be written, `n` for each prompt, in the order of the choices.

    Raises:
        Invalid: a prompt is too long or has unknown characters, or too much is asked for.
    """
    if (options.max_tokens or 1) > limits.text_chars:
        raise Invalid(
            f"max_tokens is {options.max_tokens}, accepted is 1 to {limits.text_chars}: a token is "
            "a character here",
            limit=limits.text_chars,
        )
    seed = secrets.randbits(32) if options.seed is None else options.seed
    whats: list[Generation] = []
    for prompt in options.prompt:
        text = TextOptions(
            prompt=prompt,
            max_chars=options.max_tokens or limits.text_chars,
            temperature=1.0 if options.temperature is None else options.temperature,
            top_k=options.top_k,
            top_p=max(1.0 if options.top_p is None else options.top_p, _LEAST_TOP_P),
            stop=options.stop,
        )
        limits.check(text)
        what = replace(generation(model, text), scored=options.logprobs)
        for _ in range(options.n or 1):
            whats.append(replace(what, seed=(seed + len(whats)) % _SEEDS))
    return whats


@dataclass(frozen=True)
class _Piece:
    index: int
    text: str
    """Empty with the last, which tells how the text ended."""
    ended: bool


class Telling:
    """What is told of texts that are being written."""

    def __init__(
        self,
        model: Published[TextGeneration],
        options: CompletionOptions,
        texts: Texts,
        request_id: str,
    ) -> None:
        self._model, self._options, self._texts = model, options, texts
        self._id = f"cmpl-{request_id}"
        self._created = int(time.time())

    async def whole(self) -> Completion:
        """All texts at once. Raises what `Stream.whole` raises."""
        written = await self._texts.whole()
        choices = [
            CompletionChoice(
                text=self._echo(index) + text,
                index=index,
                logprobs=self._logprobs(index, 0, text),
                finish_reason=self._texts.streams[index].reason,
            )
            for index, text in enumerate(written)
        ]
        return self._completion(choices, usage=self._usage(sum(map(len, written))))

    async def pieces(self) -> AsyncIterator[Completion]:
        """The same as it is written. Raises what `whole` raises."""
        streaming = self._options.stream_options
        tell_usage = streaming is not None and streaming.include_usage
        told = [0] * len(self._texts.streams)
        if self._options.echo:
            for index in range(len(told)):
                yield self._completion([self._choice(index, self._echo(index), 0)])
        async for piece in _merged(self._texts.streams):
            choice = self._choice(piece.index, piece.text, told[piece.index], ended=piece.ended)
            told[piece.index] += len(piece.text)
            yield self._completion([choice])
        if tell_usage:
            yield self._completion([], usage=self._usage(sum(told)))

    def _choice(
        self, index: int, text: str, start: int, *, ended: bool = False
    ) -> CompletionChoice:
        return CompletionChoice(
            text=text,
            index=index,
            logprobs=self._logprobs(index, start, text),
            finish_reason=self._texts.streams[index].reason if ended else None,
        )

    def _completion(
        self, choices: list[CompletionChoice], usage: Usage | None = None
    ) -> Completion:
        told: dict[str, Any] = {} if usage is None else {"usage": usage}
        if self._model.others:  # told where there is a choice
            told["precision"] = self._model.precision
        return Completion(
            id=self._id,
            object="text_completion",
            created=self._created,
            model=self._model.name,
            choices=choices,
            **told,
        )

    def _prompt(self, index: int) -> str:
        return self._options.prompt[index // (self._options.n or 1)]

    def _echo(self, index: int) -> str:
        return self._prompt(index) if self._options.echo else ""

    def _usage(self, written: int) -> Usage:
        read = sum(map(len, self._options.prompt))
        return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)

    def _logprobs(self, index: int, start: int, text: str) -> LogProbs | None:
        """Of the characters `text`, which begin at `start` of what was written."""
        if self._options.logprobs is None:
            return None
        stream, offset = self._texts.streams[index], len(self._prompt(index)) + start
        vocabulary = stream.generation.vocabulary
        scores = stream.scores[start : start + len(text)]
        return LogProbs(
            tokens=list(text),
            token_logprobs=[score.log_probability for score in scores],
            top_logprobs=[
                {
                    **{vocabulary[other]: logprob for other, logprob in score.best},
                    character: score.log_probability,
                }
                for character, score in zip(text, scores, strict=True)
            ],
            text_offset=list(range(offset, offset + len(text))),
        )


async def _merged(streams: list[Stream]) -> AsyncIterator[_Piece]:
    """Pieces of all texts as they come. The first failure is raised, and ends all."""
    arrived: asyncio.Queue[_Piece | BaseException] = asyncio.Queue()
    readers = [
        asyncio.create_task(_read(index, stream, arrived.put_nowait))
        for index, stream in enumerate(streams)
    ]
    try:
        running = len(streams)
        while running:
            piece = await arrived.get()
            if isinstance(piece, BaseException):
                raise piece
            running -= piece.ended
            yield piece
    finally:
        for reader in readers:
            reader.cancel()


async def _read(index: int, stream: Stream, tell: Callable[[_Piece | BaseException], None]) -> None:
    try:
        async for text in stream.pieces():
            tell(_Piece(index, text, ended=False))
        tell(_Piece(index, "", ended=True))
    except Exception as error:  # noqa: BLE001  # raised again where the pieces are read
        tell(error)
