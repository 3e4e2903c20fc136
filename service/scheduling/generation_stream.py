"""One text on its way: what was asked for, how far it is, and whoever waits for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.scheduling.admission import RequestCancelled, Ticket
from service.scheduling.output_buffer import Writing
from service.scheduling.sampling import Choice, Score, score

__all__ = ["FinishReason", "Generation", "Stream"]

FinishReason = Literal["length", "stop"]

_PIECE_EVERY_S = 0.02
"""Between pieces of one text: nobody reads faster than fifty a second, and every one costs."""


@dataclass(frozen=True)
class Generation:
    """What is asked of a recurrent graph."""

    prompt: Sequence[int]
    """Indices into the vocabulary, at least one."""
    vocabulary: str
    max_chars: int
    seed: int
    choice: Choice
    stops: tuple[str, ...] = ()
    scored: int | None = None
    """Keep each character's score, with so many of the likeliest; None keeps none."""


class Stream:
    """A text that a `Decoder` writes. Made on the event loop, where all but `_…` is called."""

    def __init__(self, generation: Generation, ticket: Ticket) -> None:
        self.generation = generation
        self.ticket = ticket
        self.finish_reason: FinishReason | None = None
        self.loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = self.loop.create_future()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        # Retrieved here, because whoever asked may be gone.
        self.begun.add_done_callback(_retrieve)
        self.finished.add_done_callback(_retrieve)
        self.scores: list[Score] = []
        """Of the characters written so far, a stop string's among them, where they are kept."""
        self._writing = Writing(generation.stops)
        self._random = np.random.Generator(np.random.Philox(generation.seed))
        self._read = 0
        self._next: int | None = None

    async def started(self) -> None:
        """Return with the first character. Raises what `whole` raises."""
        await asyncio.shield(self.begun)

    async def whole(self) -> str:
        """The text, once it is written.

        Raises:
            DeadlineExceeded: it was not in time. Abandoned: `abandon` was called.
            Unavailable: the service is stopping, or the graph failed.
        """
        await asyncio.shield(self.finished)
        return self._writing.take(whole=True)

    @property
    def reason(self) -> FinishReason:
        """Why a finished text ends where it does."""
        if self.finish_reason is None:
            raise RuntimeError("a text that is not finished has no reason")
        return self.finish_reason

    async def pieces(self) -> AsyncIterator[str]:
        """The text as it is written; the pieces together are `whole`. Raises what that raises."""
        await self.started()
        while True:
            done = self.finished.done()
            if done:
                self.finished.result()
            piece = self._writing.take(whole=done)
            if piece:
                yield piece
            if done:
                return
            await asyncio.wait((self.finished,), timeout=_PIECE_EVERY_S)

    def abandon(self) -> None:
        """Nobody waits for it any more: it leaves the batch before the next step."""
        self.ticket.abandon()
        for future in (self.begun, self.finished):
            if not future.done():
                future.set_exception(RequestCancelled())

    # From here on, called by the decoder's thread.

    @property
    def pending(self) -> int:
        """How many characters wait to be read by the graph: of the prompt, or the one written."""
        return len(self.generation.prompt) - self._read if self._next is None else 1

    def read_after(self, count: int) -> tuple[int, ...]:
        """What will have been read of the prompt after `count` more of it."""
        return tuple(self.generation.prompt[: self._read + count])

    def feed(self, count: int) -> NDArray[np.int64]:
        """The next `count` of them."""
        if self._next is not None:
            return np.array([self._next], np.int64)
        start, self._read = self._read, self._read + count
        return np.array(self.generation.prompt[start : self._read], np.int64)

    def feed_one(self) -> int:
        """The next of them."""
        if self._next is not None:
            return self._next
        self._read += 1
        return self.generation.prompt[self._read - 1]

    @property
    def reads(self) -> bool:
        """Whether there is more of the prompt."""
        return self._next is None and self._read < len(self.generation.prompt)

    @property
    def wrote(self) -> bool:
        """Whether it has a character already."""
        return self._next is not None

    def uniform(self) -> float:
        """A draw of this text alone."""
        return self._random.random()

    def write(self, token: int, logits_V: NDArray[np.float32]) -> bool:
        """Add a character, which was chosen by `logits_V`; False when that was the last."""
        self._next = token
        generation = self.generation
        if generation.scored is not None:  # before the character, so that no reader is ahead
            self.scores.append(score(logits_V, token, generation.scored))
        if not self._writing.write(generation.vocabulary[token]):
            self.finish_reason = "stop"
        elif len(self._writing) >= generation.max_chars:
            self.finish_reason = "length"
        return self.finish_reason is None


def _retrieve(future: "asyncio.Future[None]") -> None:
    if not future.cancelled():
        future.exception()
