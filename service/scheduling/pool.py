"""The thread pool that runs admitted work in arrival order, off the event loop.

A request is decoded, computed and encoded in one job on one thread. All three steps release the
GIL, so the threads of a process run in parallel. A thread that takes a request to a model that
batches also takes waiting requests to the same model, see `dynamic_batching`.
"""

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from service.errors import DeadlineExceeded
from service.scheduling.admission import AdmissionController, RequestCancelled, Ticket
from service.scheduling.dynamic_batching import BatchableJob, BatchRun, run_in_batches

_log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
Work = Callable[[Ticket], ResultT]


class Job(Generic[ResultT]):
    """Admitted work. Lives on the event loop's thread, except `run` and `abandon`."""

    def __init__(
        self,
        ticket: Ticket,
        work: Work[ResultT],
        batch_key: Hashable | None,
        withdraw: Callable[["Job[Any]"], bool],
    ) -> None:
        """`withdraw` removes the job from its queue; it returns False if a thread has taken it."""
        self.ticket = ticket
        self.batch_key = batch_key
        self._work: Work[ResultT] | None = work
        self._withdraw = withdraw
        self._cancelled = False
        # The request's context, so that timings on the thread are recorded for the request.
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[ResultT] = self._loop.create_future()

    def run(self) -> None:
        """Do the work. Called once, on a compute thread, when the job has left the queue."""
        try:
            complete = partial(self._future.set_result, self._do_work())
        except BaseException as error:  # noqa: BLE001  # raised where the result is awaited
            complete = partial(self._future.set_exception, error)
        # Only now: if a disconnect returned the slot, the queue's limit would not limit the work.
        self.ticket.release()
        self._loop.call_soon_threadsafe(self._complete, complete)

    def _do_work(self) -> ResultT:
        work = self._work
        if work is None:
            raise RequestCancelled
        self.ticket.start()
        return self._context.run(work, self.ticket)

    def _complete(self, complete: Callable[[], None]) -> None:
        if not self._future.done():  # neither cancelled nor past its deadline
            complete()

    def cancel(self) -> None:
        """Cancel the job: it does not start, or if it has started, its result is dropped."""
        self._cancelled = True
        self._discard()

    def abandon(self) -> None:
        """Cancel a job that was taken from the queue. May be called on any thread."""
        self.ticket.release()
        self._loop.call_soon_threadsafe(self._future.cancel)

    async def result(self) -> ResultT:
        """Return the work's result, or raise its exception.

        Raises:
            DeadlineExceeded: the result was not ready in time.
            RequestCancelled: `cancel` was called.
        """
        # Half the time of `asyncio.timeout`, which is made for any awaitable.
        timer = self._loop.call_later(max(0.0, self.ticket.remaining_s), self._expire)
        try:
            return await self._future
        except asyncio.CancelledError:
            self._discard()
            if self._cancelled:
                raise RequestCancelled from None
            raise
        finally:
            timer.cancel()

    def _expire(self) -> None:
        if not self._future.done():
            self._future.set_exception(DeadlineExceeded(self.ticket.deadline_message))
            self._discard()

    def _discard(self) -> None:
        self.ticket.cancel()
        self._work = None  # release the images, also while a thread is about to start
        self._future.cancel()
        if self._withdraw(self):
            self.ticket.release()


class InferencePool:
    """A pool of `threads` threads behind admission control."""

    def __init__(self, admission: AdmissionController, threads: int) -> None:
        """`running` of `admission` should be `threads`."""
        self.admission = admission
        self.on_batch: Callable[[BatchRun], None] = lambda _: None
        """Called on a compute thread with every run of a batch."""
        self._jobs: deque[Job[Any]] = deque()
        self._jobs_lock = threading.Lock()
        self._wake_ups: SimpleQueue[bool] = SimpleQueue()
        """True for every job that was queued; False ends a thread."""
        # Not a ThreadPoolExecutor, whose futures and work items take 19 µs of a request.
        self._threads = [
            threading.Thread(target=self._compute, name=f"compute_{index}", daemon=True)
            for index in range(threads)
        ]
        self._started = False

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
        job = Job(self.admission.admit(arrival_time_s), work, batch_key, self._withdraw)
        if not self._started:
            self._start()
        with self._jobs_lock:
            self._jobs.append(job)
        self._wake_ups.put(True)
        return job

    def _start(self) -> None:
        self._started = True
        for thread in self._threads:
            thread.start()

    def _compute(self) -> None:
        while self._wake_ups.get():
            try:
                self._run_next()
            except Exception:  # noqa: BLE001  # a thread that ended would be missing for good
                _log.exception("a compute thread failed")

    def _run_next(self) -> None:
        job = self._take_first()
        if job is None:  # it was withdrawn, or another thread has taken it into a batch
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

    def _withdraw(self, job: Job[Any]) -> bool:
        with self._jobs_lock:
            try:
                self._jobs.remove(job)
            except ValueError:
                return False
        return True

    def close(self) -> None:
        """Wait for running work; queued work is cancelled."""
        while (job := self._take_first()) is not None:
            job.abandon()
        if self._started:
            for _ in self._threads:
                self._wake_ups.put(False)
            for thread in self._threads:
                thread.join()
