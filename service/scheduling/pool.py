"""The thread pool that runs admitted work in arrival order, off the event loop.

A request is decoded, computed and encoded in one job on one thread. All three steps release the
interpreter lock, so the threads of a process run in parallel.
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
        # The request's context, so that timings on the thread are recorded for the request.
        self._context = contextvars.copy_context()
        self._future: asyncio.Future[ResultT] | None = None

    def _submit(self, executor: ThreadPoolExecutor) -> None:
        future: Future[ResultT] = executor.submit(self._run)
        # A running future cannot be cancelled: its slot is returned when the thread is free, not
        # when the client disconnects. Otherwise the queue's limit would not limit the work.
        future.add_done_callback(lambda _: self._ticket.release())
        self._future = asyncio.wrap_future(future)

    def _run(self) -> ResultT:
        work = self._work
        if work is None:
            raise RequestCancelled
        self._ticket.start()
        return self._context.run(work, self._ticket)

    def cancel(self) -> None:
        """Cancel the job: it does not start, or if it has started, its result is dropped."""
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
        # The executor keeps a cancelled job until a thread takes it; release the images now.
        self._work = None
        if self._future is not None:
            self._future.cancel()


class InferencePool:
    """A pool of `threads` threads behind admission control."""

    def __init__(self, admission: AdmissionController, threads: int) -> None:
        """`running` of `admission` should be `threads`."""
        self.admission = admission
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="compute")

    def submit(self, work: Work[ResultT], arrival_time_s: float) -> Job[ResultT]:
        """Queue `work` for a request that arrived then; `work` gets the ticket, to check it.

        Raises:
            Overloaded: every slot is taken.
            DeadlineExceeded: the deadline has passed.
        """
        job = Job(self.admission.admit(arrival_time_s), work)
        job._submit(self._executor)  # noqa: SLF001  # a job belongs to its pool
        return job

    def close(self) -> None:
        """Wait for running work; queued work is cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)
