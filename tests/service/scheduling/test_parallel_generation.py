import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.errors import Overloaded, Unavailable
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import StepResult
from service.scheduling.generation_stream import GenerationRequest
from service.scheduling.parallel_generation import ParallelGenerationScheduler
from service.scheduling.sampling import SamplingParams
from tests.service.scheduling.graphs import LETTERS, Letters, expected, recurrent
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _scheduler(
    max_streams: int, waiting: int = 100
) -> AsyncIterator[ParallelGenerationScheduler]:
    admission = AdmissionController(running=max_streams, waiting=waiting, deadline_s=30.0)
    scheduler = ParallelGenerationScheduler(admission, max_streams, threads=2)
    try:
        async with asyncio.timeout(LIMIT_S):
            yield scheduler
    finally:
        await asyncio.to_thread(scheduler.close)


def _request(prompt: str, length: int = 5) -> GenerationRequest:
    tokens = [LETTERS.index(letter) for letter in prompt]
    return GenerationRequest(tokens, LETTERS, length, 0, SamplingParams(temperature=0))


async def test_texts_are_the_same_as_those_of_one_thread_and_all_are_counted() -> None:
    steps: list[StepResult] = []
    async with _scheduler(max_streams=8) as scheduler:
        scheduler.on_step = steps.append
        model, now = recurrent(Letters()), scheduler.admission.now()
        streams = [scheduler.submit(model, _request(letter), now) for letter in "abcdefgh"]
        texts = [await stream.result() for stream in streams]
        assert texts == [expected(letter, 5) for letter in "abcdefgh"]
        assert scheduler.admission.in_flight == 0
    assert sum(len(step.finished) for step in steps) == 8
    assert sum(step.generated for step in steps) == 40


async def test_texts_are_spread_evenly_over_threads() -> None:
    async with _scheduler(max_streams=4) as scheduler:
        model, now = recurrent(graph := Letters()), scheduler.admission.now()
        for _ in range(2):  # each thread examines the graph before its first text
            warm = [scheduler.submit(model, _request("a"), now) for _ in range(2)]
            await asyncio.gather(*(stream.result() for stream in warm))
        sizes: list[int] = []
        scheduler.on_step = lambda step: sizes.append(step.batch_size)
        graph.hold()
        streams = [scheduler.submit(model, _request("a", 30), now) for _ in range(4)]
        graph.allow()
        await asyncio.gather(*(stream.result() for stream in streams))
        assert max(sizes) == 2  # one thread alone would run all four together


async def test_full_queue_rejects_and_closing_fails_waiting_texts() -> None:
    async with _scheduler(max_streams=2, waiting=1) as scheduler:
        model, now = recurrent(graph := Letters()), scheduler.admission.now()
        graph.hold()
        streams = [scheduler.submit(model, _request("a"), now) for _ in range(3)]
        with pytest.raises(Overloaded):
            scheduler.submit(model, _request("a"), now)
        graph.allow()
        await asyncio.gather(*(stream.result() for stream in streams))
        await asyncio.to_thread(scheduler.close)
        with pytest.raises(Unavailable):
            scheduler.submit(model, _request("a"), now)
        assert scheduler.admission.in_flight == 0
