import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from service.errors import DeadlineExceeded, Overloaded
from service.scheduling.admission import (
    AdmissionController,
    AdmissionCounters,
    RequestCancelled,
    Ticket,
)
from service.scheduling.pool import InferencePool, Job
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

ItemT = TypeVar("ItemT")


@asynccontextmanager
async def _pool(
    threads: int = 1, waiting: int = 8, deadline_s: float = LIMIT_S
) -> AsyncIterator[InferencePool]:
    pool = InferencePool(
        AdmissionController(running=threads, waiting=waiting, deadline_s=deadline_s), threads
    )
    try:
        yield pool
    finally:
        await asyncio.to_thread(pool.close)


class Blocker:
    """Work that runs until it is released, and says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()

    def __call__(self, _: Ticket) -> str:
        self.begun.set()
        assert self.release.wait(LIMIT_S)
        return "done"


def _appending(items: list[ItemT], item: ItemT) -> Callable[[Ticket], None]:
    return lambda _: items.append(item)


async def test_work_is_done_off_the_event_loop_and_its_result_comes_back() -> None:
    async with _pool() as pool:
        name = await pool.submit(
            lambda _: threading.current_thread().name, pool.admission.now()
        ).result()
        assert name.startswith("compute")
        await until(lambda: pool.admission.counters.finished == 1)


async def test_exception_of_the_work_is_raised() -> None:
    async with _pool() as pool:
        with pytest.raises(ZeroDivisionError):
            await pool.submit(lambda _: 1 / 0, pool.admission.now()).result()


async def test_a_timeout_that_the_work_raises_is_not_taken_for_the_deadline() -> None:
    def slow(_: Ticket) -> None:
        raise TimeoutError("of a disk, say")

    async with _pool() as pool:
        with pytest.raises(TimeoutError, match="of a disk"):
            await pool.submit(slow, pool.admission.now()).result()


async def test_first_come_first_served() -> None:
    order: list[int] = []
    async with _pool() as pool:
        blocker = Blocker()
        first = pool.submit(blocker, pool.admission.now())
        jobs = [pool.submit(_appending(order, n), pool.admission.now()) for n in range(6)]
        blocker.release.set()
        await asyncio.gather(first.result(), *(job.result() for job in jobs))
    assert order == list(range(6))


async def test_as_many_run_at_once_as_there_are_threads_and_no_more() -> None:
    async with _pool(threads=2) as pool:
        blockers = [Blocker() for _ in range(3)]
        jobs = [pool.submit(blocker, pool.admission.now()) for blocker in blockers]
        await until(lambda: sum(blocker.begun.is_set() for blocker in blockers) == 2)
        await asyncio.sleep(0.02)
        assert [blocker.begun.is_set() for blocker in blockers] == [True, True, False]
        for blocker in blockers:
            blocker.release.set()
        assert await asyncio.gather(*(job.result() for job in jobs)) == ["done"] * 3


async def test_requests_beyond_the_queue_are_rejected_at_once() -> None:
    async with _pool(waiting=1) as pool:
        blocker = Blocker()
        pool.submit(blocker, pool.admission.now())
        pool.submit(blocker, pool.admission.now())
        with pytest.raises(Overloaded):
            pool.submit(blocker, pool.admission.now())
        blocker.release.set()
        await until(lambda: pool.admission.in_flight == 0)
        pool.submit(blocker, pool.admission.now())


async def test_job_cancelled_while_waiting_never_starts_and_others_complete() -> None:
    started: list[str] = []
    async with _pool() as pool:
        blocker = Blocker()
        running = pool.submit(blocker, pool.admission.now())
        before, gone, after = (
            pool.submit(_appending(started, name), pool.admission.now())
            for name in ("before", "gone", "after")
        )
        waiting = asyncio.create_task(gone.result())
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(RequestCancelled):
            await waiting
        await until(
            lambda: pool.admission.in_flight == 3
        )  # its place is free though nothing has run
        blocker.release.set()
        await asyncio.gather(running.result(), before.result(), after.result())
        await until(lambda: pool.admission.in_flight == 0)
    assert started == ["before", "after"]
    assert pool.admission.counters == AdmissionCounters(
        admitted=4, started=3, finished=3, dropped=1
    )


async def test_job_cancelled_while_running_keeps_its_slot_and_its_result_is_dropped() -> None:
    async with _pool() as pool:
        blocker = Blocker()
        job = pool.submit(blocker, pool.admission.now())
        await until(blocker.begun.is_set)
        job.cancel()
        with pytest.raises(RequestCancelled):
            await job.result()
        await asyncio.sleep(0.01)
        assert pool.admission.in_flight == 1
        blocker.release.set()
        await until(lambda: pool.admission.in_flight == 0)
        assert pool.admission.counters == AdmissionCounters(admitted=1, started=1, finished=1)


async def test_cancelled_work_stops_at_its_next_check() -> None:
    steps = 0

    def work(ticket: Ticket) -> None:
        nonlocal steps
        while True:
            ticket.check()
            steps += 1

    async with _pool() as pool:
        job = pool.submit(work, pool.admission.now())
        await until(lambda: steps > 0)
        job.cancel()
        await until(lambda: pool.admission.in_flight == 0)


async def test_waiting_request_past_its_deadline_never_starts() -> None:
    started = False

    def work(_: Ticket) -> None:
        nonlocal started
        started = True

    async with _pool(deadline_s=0.05) as pool:
        blocker = Blocker()
        pool.submit(blocker, pool.admission.now() + LIMIT_S)  # it starts however late
        with pytest.raises(DeadlineExceeded):
            await pool.submit(work, pool.admission.now()).result()
        blocker.release.set()
        await until(lambda: pool.admission.in_flight == 0)
    assert not started


async def test_a_caller_that_is_cancelled_is_cancelled_and_its_work_dropped() -> None:
    async with _pool() as pool:
        blocker = Blocker()
        pool.submit(blocker, pool.admission.now())
        job = pool.submit(lambda _: None, pool.admission.now())
        task = asyncio.create_task(job.result())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        blocker.release.set()
        await until(lambda: pool.admission.in_flight == 0)
        assert pool.admission.counters.dropped == 1


async def test_data_of_a_cancelled_job_are_released_at_once() -> None:
    class Image:
        def work(self, _: Ticket) -> None: ...

    async with _pool() as pool:
        blocker = Blocker()
        pool.submit(blocker, pool.admission.now())
        image = Image()
        watched = weakref.ref(image)
        job: Job[None] = pool.submit(image.work, pool.admission.now())
        del image
        job.cancel()
        gc.collect()
        assert watched() is None
        blocker.release.set()


async def test_closing_waits_for_running_work_and_cancels_queued_work() -> None:
    started = threading.Event()
    pool = InferencePool(AdmissionController(running=1, waiting=4, deadline_s=20), 1)
    blocker = Blocker()
    running = pool.submit(blocker, pool.admission.now())
    waiting = pool.submit(lambda _: started.set(), pool.admission.now())
    await until(blocker.begun.is_set)
    closing = asyncio.create_task(asyncio.to_thread(pool.close))
    await asyncio.sleep(0.02)
    assert not closing.done()
    blocker.release.set()
    assert await running.result() == "done"
    await closing
    assert not started.is_set()
    with pytest.raises(asyncio.CancelledError):
        await waiting.result()
