"""Requests that wait together run together, and none touches its batch-mates."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import DeadlineExceeded
from service.observability.timing import record_timings
from service.runtime.batched_graph import BatchedGraph
from service.scheduling.admission import AdmissionController, RequestCancelled, Ticket
from service.scheduling.dynamic_batching import BatchRun
from service.scheduling.pool import InferencePool
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

Tensors = Mapping[str, NDArray[np.generic]]


class Doubling:
    """y = 2 x; notes the rows of each run, and fails for negative ones."""

    def __init__(self) -> None:
        self.runs: list[list[float]] = []
        self.before_run: Callable[[], None] = lambda: None

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        self.before_run()
        x = inputs["x"].astype(np.float64)
        self.runs.append(x[:, 0].tolist())
        if (x < 0).any():
            raise ValueError("negative")
        return {"y": 2 * x}


class Setup:
    """A pool with one thread, a graph that batches, and requests to it."""

    def __init__(self, pool: InferencePool, max_batch_size: int, max_wait_s: float) -> None:
        self.pool = pool
        self.graph = Doubling()
        self.batched = BatchedGraph(
            self.graph, model="m", batch_sizes=range(1, max_batch_size + 1), max_wait_s=max_wait_s
        )
        self.batches: list[BatchRun] = []
        pool.on_batch = self.batches.append

    def request(self, *values: float, key: str = "m", twice: bool = False) -> "Request":
        def work(ticket: Ticket) -> list[float]:
            outputs = self.batched.run({"x": np.array(values)[:, None]})
            if twice:
                outputs = self.batched.run({"x": outputs["y"]})
            result: list[float] = outputs["y"][:, 0].tolist()
            return result

        return Request(self.pool, work, key)


class Request:
    def __init__(
        self, pool: InferencePool, work: Callable[[Ticket], list[float]], key: str
    ) -> None:
        self.job = pool.submit(work, pool.admission.now(), batch_key=key)

    async def result(self) -> list[float]:
        return await self.job.result()


@asynccontextmanager
async def _setup(
    max_batch_size: int = 8, max_wait_s: float = LIMIT_S, deadline_s: float = LIMIT_S
) -> AsyncIterator[tuple[Setup, threading.Event]]:
    """Yield the setup, whose thread is occupied until the event is set."""
    pool = InferencePool(
        AdmissionController(running=1, waiting=32, deadline_s=deadline_s), threads=1
    )
    release = threading.Event()
    pool.submit(lambda _: release.wait(LIMIT_S), pool.admission.now())
    try:
        yield Setup(pool, max_batch_size, max_wait_s), release
    finally:
        release.set()
        await asyncio.to_thread(pool.close)


async def test_waiting_requests_share_a_run_and_each_gets_its_rows() -> None:
    async with _setup() as (setup, release):
        requests = [setup.request(1, 2), setup.request(3), setup.request(4, 5, 6)]
        release.set()
        results = await asyncio.gather(*(request.result() for request in requests))
    assert results == [[2, 4], [6], [8, 10, 12]]
    assert setup.graph.runs == [[1, 2, 3, 4, 5, 6]]
    assert [(batch.model, batch.rows, len(batch.waits_s)) for batch in setup.batches] == [
        ("m", 6, 3)
    ]
    assert setup.pool.admission.in_flight == 0


async def test_a_batch_has_at_most_its_limit_of_rows_in_order_of_arrival() -> None:
    async with _setup(max_batch_size=4) as (setup, release):
        requests = [setup.request(value) for value in range(1, 11)]
        release.set()
        await asyncio.gather(*(request.result() for request in requests))
    assert setup.graph.runs == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def test_a_request_alone_runs_at_once() -> None:
    async with _setup(max_wait_s=1000) as (setup, release):
        release.set()
        assert await setup.request(7).result() == [14]
    assert setup.graph.runs == [[7]]


async def test_beyond_the_time_limit_no_request_is_taken_in() -> None:
    async with _setup(max_wait_s=0) as (setup, release):
        requests = [setup.request(1), setup.request(2)]
        release.set()
        await asyncio.gather(*(request.result() for request in requests))
    assert setup.graph.runs == [[1], [2]]


async def test_requests_for_other_models_keep_their_turn() -> None:
    async with _setup() as (setup, release):
        order = [("m", 1), ("other", 2), ("m", 3), ("other", 4)]
        requests = [setup.request(value, key=key) for key, value in order]
        release.set()
        await asyncio.gather(*(request.result() for request in requests))
    assert setup.graph.runs == [[1, 3], [2, 4]]


async def test_a_cancelled_request_leaves_its_batch_and_the_others_answer() -> None:
    async with _setup() as (setup, release):
        requests = [setup.request(value) for value in (1, 2, 3)]
        requests[1].job.cancel()
        release.set()
        assert await requests[0].result() == [2]
        assert await requests[2].result() == [6]
        with pytest.raises(RequestCancelled):
            await requests[1].result()
    assert setup.graph.runs == [[1, 3]]


async def test_a_request_cancelled_while_its_batch_gathers_is_not_run() -> None:
    async with _setup() as (setup, release):
        first, last = setup.request(1), setup.request(3)
        loop = asyncio.get_running_loop()

        def cancel_first(ticket: Ticket) -> list[float]:
            # On the compute thread, while the rows of `first` are suspended.
            asyncio.run_coroutine_threadsafe(_cancel(first), loop).result(LIMIT_S)
            return []

        canceller = Request(setup.pool, cancel_first, "m")
        release.set()
        assert await last.result() == [6]
        assert await canceller.result() == []
        with pytest.raises(RequestCancelled):
            await first.result()
    assert setup.graph.runs == [[3]]
    assert setup.pool.admission.in_flight == 0


async def _cancel(request: Request) -> None:
    request.job.cancel()


async def test_a_request_past_its_deadline_is_not_run_and_the_others_answer() -> None:
    now_s = 0.0
    admission = AdmissionController(running=1, waiting=8, deadline_s=10, clock=lambda: now_s)
    pool = InferencePool(admission, threads=1)
    release = threading.Event()
    pool.submit(lambda _: release.wait(LIMIT_S), pool.admission.now())
    setup = Setup(pool, max_batch_size=8, max_wait_s=10)
    early = setup.request(1)
    now_s = 9.0
    late = setup.request(2)

    def pass_time(ticket: Ticket) -> list[float]:
        nonlocal now_s
        now_s = 11.0  # past the deadline of `early`, whose rows are suspended
        return []

    Request(pool, pass_time, "m")
    release.set()
    assert await late.result() == [4]
    with pytest.raises(DeadlineExceeded):
        await early.result()
    await asyncio.to_thread(pool.close)
    assert setup.graph.runs == [[2]]


async def test_only_the_request_at_fault_fails() -> None:
    async with _setup() as (setup, release):
        requests = [setup.request(value) for value in (1, -2, 3)]
        release.set()
        assert await requests[0].result() == [2]
        assert await requests[2].result() == [6]
        with pytest.raises(ValueError, match="negative"):
            await requests[1].result()
    assert setup.graph.runs == [[1, -2, 3], [1], [-2], [3]]


async def test_work_that_runs_two_graphs_shares_both_runs() -> None:
    async with _setup() as (setup, release):
        requests = [setup.request(value, twice=True) for value in (1, 2)]
        release.set()
        results = await asyncio.gather(*(request.result() for request in requests))
    assert results == [[4], [8]]
    assert setup.graph.runs == [[1, 2], [2, 4]]


async def test_a_full_queue_of_one_model_does_not_delay_another_beyond_one_batch() -> None:
    async with _setup(max_batch_size=2) as (setup, release):
        requests = [setup.request(value, twice=True) for value in (1, 2, 3, 4)]
        other = setup.request(9, key="other")
        release.set()
        await asyncio.gather(other.result(), *(request.result() for request in requests))
    assert setup.graph.runs == [[1, 2], [2, 4], [3, 4], [6, 8], [9]]


async def test_the_wait_for_a_batch_counts_as_running_for_each_request() -> None:
    async with _setup() as (setup, release):
        with record_timings() as first:
            one = setup.request(1)
        with record_timings() as second:
            two = setup.request(2)
        release.set()
        await asyncio.gather(one.result(), two.result())
    assert [name for name, _, _ in first.intervals] == ["queue", "run"]
    assert [name for name, _, _ in second.intervals] == ["queue", "run"]
