"""The request for one text, and its state during generation."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.scheduling.admission import RequestCancelled, Ticket
from service.scheduling.output_buffer import OutputBuffer
from service.scheduling.sampling import SamplingParams, TokenLogprobs, token_logprobs

FinishReason = Literal["length", "stop"]

CHUNK_INTERVAL_S = 0.02
"""Time between two chunks of a text. Fifty chunks a second look continuous, and each costs CPU."""


@dataclass(frozen=True)
class GenerationRequest:
    """A request to generate a text."""

    prompt: Sequence[int]
    """Indices into the vocabulary, at least one."""
    vocabulary: str
    max_chars: int
    seed: int
    sampling: SamplingParams
    stop_strings: tuple[str, ...] = ()
    top_logprobs: int | None = None
    """Keep the log probability of each character and of this many most likely ones; None: none."""


class GenerationStream:
    """A text that `GenerationScheduler` generates. Public methods run on the event loop."""

    def __init__(self, request: GenerationRequest, ticket: Ticket) -> None:
        self.request = request
        self.ticket = ticket
        self.finish_reason: FinishReason | None = None
        self._loop = asyncio.get_running_loop()
        self.first_token: asyncio.Future[None] = self._loop.create_future()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        # Retrieve exceptions, because the client may have disconnected.
        self.first_token.add_done_callback(_retrieve_exception)
        self.finished.add_done_callback(_retrieve_exception)
        self.logprobs: list[TokenLogprobs] = []
        """Log probabilities of the generated characters, including stop strings, if requested."""
        self._output = OutputBuffer(request.stop_strings)
        self._random = np.random.Generator(np.random.Philox(request.seed))
        self._prefilled = 0
        self._last_token: int | None = None

    async def wait_first_token(self) -> None:
        """Wait for the first character. Raises what `result` raises."""
        await asyncio.shield(self.first_token)

    async def result(self) -> str:
        """Return the text when it is complete.

        Raises:
            DeadlineExceeded: it was not complete in time. RequestCancelled: `cancel` was called.
            Unavailable: the service is stopping, or the graph failed.
        """
        await asyncio.shield(self.finished)
        return self._output.read_available(is_complete=True)

    @property
    def final_reason(self) -> FinishReason:
        """The finish reason of a complete text."""
        if self.finish_reason is None:
            raise RuntimeError("a text that is not finished has no reason")
        return self.finish_reason

    async def chunks(self) -> AsyncIterator[str]:
        """Yield the text in chunks as it is generated. Raises what `result` raises."""
        await self.wait_first_token()
        while True:
            chunk, done = self.read_chunk()
            if chunk:
                yield chunk
            if done:
                return
            await asyncio.wait((self.finished,), timeout=CHUNK_INTERVAL_S)

    def read_chunk(self) -> tuple[str, bool]:
        """Return the text since the last call, and True if it is complete; raise as `result`."""
        done = self.finished.done()
        if done:
            self.finished.result()
        return self._output.read_available(is_complete=done), done

    def cancel(self) -> None:
        """Cancel the text, which leaves the batch before the next step."""
        self.ticket.cancel()
        _resolve((self.first_token, self.finished), RequestCancelled())

    # The methods below are called by the scheduler's thread.

    def set_started(self) -> None:
        """Tell readers that the first character has been generated."""
        self._notify(self.first_token)

    def set_finished(self) -> None:
        """Tell readers that the text is complete."""
        self._notify(self.finished)

    def set_failed(self, error: Exception) -> None:
        """Raise `error` where the text is awaited."""
        self._notify(self.first_token, self.finished, error=error)

    def _notify(self, *futures: "asyncio.Future[None]", error: Exception | None = None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(_resolve, futures, error)

    @property
    def pending_tokens(self) -> int:
        """Number of characters to process: the rest of the prompt, or the last generated one."""
        return len(self.request.prompt) - self._prefilled if self._last_token is None else 1

    def prefix_after(self, count: int) -> tuple[int, ...]:
        """Return the part of the prompt that is read after `count` more characters."""
        return tuple(self.request.prompt[: self._prefilled + count])

    def next_tokens(self, count: int) -> NDArray[np.int64]:
        """Remove and return the next `count` characters to process."""
        if self._last_token is not None:
            return np.array([self._last_token], np.int64)
        start, self._prefilled = self._prefilled, self._prefilled + count
        return np.array(self.request.prompt[start : self._prefilled], np.int64)

    def next_token(self) -> int:
        """Remove and return the next character to process."""
        if self._last_token is not None:
            return self._last_token
        self._prefilled += 1
        return self.request.prompt[self._prefilled - 1]

    @property
    def is_prefilling(self) -> bool:
        """True while part of the prompt has not been processed."""
        return self._last_token is None and self._prefilled < len(self.request.prompt)

    @property
    def has_output(self) -> bool:
        """True if a character has been generated."""
        return self._last_token is not None

    def next_uniform(self) -> float:
        """Return the next random number in [0, 1) of this text's own generator."""
        return self._random.random()

    def append(self, token: int, logits_V: NDArray[np.float32]) -> bool:
        """Add a character, sampled from `logits_V`. Return False if it was the last."""
        self._last_token = token
        request = self.request
        if (
            request.top_logprobs is not None
        ):  # before the character, so that no reader sees a character without it
            self.logprobs.append(token_logprobs(logits_V, token, request.top_logprobs))
        if not self._output.append(request.vocabulary[token]):
            self.finish_reason = "stop"
        elif len(self._output) >= request.max_chars:
            self.finish_reason = "length"
        return self.finish_reason is None


def _resolve(futures: "Sequence[asyncio.Future[None]]", error: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _retrieve_exception(future: "asyncio.Future[None]") -> None:
    if not future.cancelled():
        future.exception()
