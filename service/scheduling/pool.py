"""The thread pool that runs admitted work in arrival order, off the event loop.

A request is decoded, computed and encoded in one job on one thread. All three steps release the
interpreter lock, so the threads of a process run in parallel. A thread that takes a request to a
model that batches also takes waiting requests to the same model, see `dynamic_batching`.
"""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from service.errors import DeadlineExceeded
from service.scheduling.admission import AdmissionController, RequestCancelled, Ticket
from service.scheduling.dynamic_batching import BatchableJob, BatchRun, run_in_batches

__all__ = ["InferencePool", "Job"]

ResultT = TypeVar("ResultT")
Work = Callable[[Ticket], ResultT]


class Job(Generic[ResultT]):
    """Admitted work. Lives on the event loop's thread, except `run`."""

    def __init__(self, ticket: Ticket, work: Work[ResultT], batch_key: Hashable | None) -> None:
        self.ticket = ticket
        self.batch_key = batch_key
        self._work: Work[ResultT] | None = work
        self._cancelled = False
        # The request's context, so that timings on the thread are recorded for the request.
        self._context = contextvars.copy_context()
        self._running: Future[ResultT] = Future()
        # A running future cannot be cancelled: its slot is returned when the thread is free, not
        # when the client disconnects. Otherwise the queue's limit would not limit the work.
        self._running.add_done_callback(lambda _: ticket.release())
        self._future = asyncio.wrap_future(self._running)

    def run(self) -> None:
        """Do the work, unless it was cancelled. Called once, on a compute thread."""
        if self._running.set_running_or_notify_cancel():
            _complete(self._running, self._do_work)

    def _do_work(self) -> ResultT:
        work = self._work
        if work is None:
            raise RequestCancelled
        self.ticket.start()
        return self._context.run(work, self.ticket)

    def cancel(self) -> None:
        """Cancel the job: it does not start, or if it has started, its result is dropped."""
        self._cancelled = True
        self._discard()

    def abandon(self) -> None:
        """Cancel a job that is still queued. May be called on any thread."""
        self._running.cancel()

    async def result(self) -> ResultT:
        """Return the work's result, or raise its exception.

        Raises:
            DeadlineExceeded: the result was not ready in time.
            RequestCancelled: `cancel` was called.
        """
        try:
            async with asyncio.timeout(self.ticket.remaining_s) as timeout:
                return await self._future
        except TimeoutError:
            if not timeout.expired():
                raise  # the work's own
            self._discard()
            raise DeadlineExceeded(self.ticket.deadline_message) from None
        except asyncio.CancelledError:
            self._discard()
            if self._cancelled:
                raise RequestCancelled from None
            raise

    def _discard(self) -> None:
        self.ticket.cancel()
        # A cancelled job stays in the queue until a thread takes it; release the images now.
        self._work = None
        self._future.cancel()


class InferencePool:
    """A pool of `threads` threads behind admission control."""

    def __init__(self, admission: AdmissionController, threads: int) -> None:
        """`running` of `admission` should be `threads`."""
        self.admission = admission
        self.on_batch: Callable[[BatchRun], None] = lambda _: None
        """Called on a compute thread with every run of a batch."""
        self._jobs: deque[Job[Any]] = deque()
        self._jobs_lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="compute")

    def submit(
        self,
        work: Work[ResultT],
        arrival_time_s: float,
        *,
        batch_key: Hashable | None = None,
    ) -> Job[ResultT]:
        """Queue `work` for a request that arrived then; `work` gets the ticket, to check it.

        Requests with the same `batch_key` may be taken by one thread, which runs their graphs'
        batches; None: it runs alone.

        Raises:
            Overloaded: every slot is taken.
            DeadlineExceeded: the deadline has passed.
        """
        job = Job(self.admission.admit(arrival_time_s), work, batch_key)
        with self._jobs_lock:
            self._jobs.append(job)
        self._executor.submit(self._run_next)
        return job

    def _run_next(self) -> None:
        job = self._take_first()
        if job is None:  # another thread has taken it into a batch
            return
        if job.batch_key is None:
            job.run()
        else:
            run_in_batches(job, partial(self._take_with_key, job.batch_key), self.on_batch)

    def _take_first(self) -> Job[Any] | None:
        with self._jobs_lock:
            return self._jobs.popleft() if self._jobs else None

    def _take_with_key(self, batch_key: Hashable) -> BatchableJob | None:
        """Remove and return the first job with this key, also from behind jobs of other models."""
        with self._jobs_lock:
            for index, job in enumerate(self._jobs):
                if job.batch_key == batch_key:
                    del self._jobs[index]
                    return job
        return None

    def close(self) -> None:
        """Wait for running work; queued work is cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        while (job := self._take_first()) is not None:
            job.abandon()


def _complete(future: Future[ResultT], do_work: Callable[[], ResultT]) -> None:
    """Set the result of `do_work`, or its exception, as the result of `future`."""
    try:
        result = do_work()
    except BaseException as error:  # noqa: BLE001  # raised where the result is awaited
        future.set_exception(error)
        # The traceback refers to this frame, which would keep the exception alive.
        del future, do_work
    else:
        future.set_result(result)
