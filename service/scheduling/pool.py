"""Threads that do admitted work, first come, first served, off the event loop.

One hop: decoding, computing and encoding of a request happen in one go on one thread. All three
release the interpreter lock, so threads of one process do run beside each other.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded
from service.scheduling.admission import AdmissionController, RequestCancelled, Ticket

__all__ = ["InferencePool", "Job"]

ResultT = TypeVar("ResultT")
Work = Callable[[Ticket], ResultT]


class Job(Generic[ResultT]):
    """Admitted work. Lives on the event loop's thread, except `_run`."""

    def __init__(self, ticket: Ticket, work: Work[ResultT]) -> None:
        self._ticket = ticket
        self._work: Work[ResultT] | None = work
        self._cancelled = False
        # Of the request, so that what watches its stages sees what the thread does for it.
        self._context = contextvars.copy_context()
        self._future: asyncio.Future[ResultT] | None = None

    def _submit(self, executor: ThreadPoolExecutor) -> None:
        future: Future[ResultT] = executor.submit(self._run)
        # A running future cannot be cancelled: its place is given back when the thread is free,
        # not when the client leaves. Otherwise the queue's bound would not bound the work.
        future.add_done_callback(lambda _: self._ticket.release())
        self._future = asyncio.wrap_future(future)

    def _run(self) -> ResultT:
        work = self._work
        if work is None:
            raise RequestCancelled
        self._ticket.start()
        return self._context.run(work, self._ticket)

    def cancel(self) -> None:
        """Nobody waits for it any more: it never starts, or if it has, its result is dropped."""
        self._cancelled = True
        self._discard()

    async def result(self) -> ResultT:
        """Return the work's result, or raise its exception.

        Raises:
            DeadlineExceeded: the result was not ready in time.
            RequestCancelled: `cancel` was called.
        """
        if self._future is None:
            raise RuntimeError("a job that was never submitted has no result")
        try:
            async with asyncio.timeout(self._ticket.remaining_s) as timeout:
                return await self._future
        except TimeoutError:
            if not timeout.expired():
                raise  # the work's own
            self._discard()
            raise DeadlineExceeded(self._ticket.deadline_message) from None
        except asyncio.CancelledError:
            self._discard()
            if self._cancelled:
                raise RequestCancelled from None
            raise

    def _discard(self) -> None:
        self._ticket.cancel()
        # The executor keeps a cancelled job until a thread comes by it; the images must not wait.
        self._work = None
        if self._future is not None:
            self._future.cancel()


class InferencePool:
    """`threads` threads behind a gate."""

    def __init__(self, admission: AdmissionController, threads: int) -> None:
        """The gate's `running` should be `threads`."""
        self.admission = admission
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="compute")

    def submit(self, work: Work[ResultT], arrival_time_s: float) -> Job[ResultT]:
        """Queue `work` for a request that arrived then; `work` gets the ticket, to check it.

        Raises:
            Overloaded: every place is taken.
            DeadlineExceeded: it is too late already.
        """
        job = Job(self.admission.admit(arrival_time_s), work)
        job._submit(self._executor)  # noqa: SLF001  # a job is the pool's own
        return job

    def close(self) -> None:
        """Wait for the work under way; what has not begun never does."""
        self._executor.shutdown(wait=True, cancel_futures=True)
