import asyncio

import pytest

from service.observability.timing import (
    RequestTimings,
    Stage,
    current_timings,
    record_timings,
    stage,
    timed,
)
from service.scheduling.admission import AdmissionController
from service.scheduling.pool import InferencePool

pytestmark = pytest.mark.anyio


async def test_outside_of_a_request_nothing_is_recorded() -> None:
    with stage("decode"):
        pass
    assert current_timings() is None


async def test_failed_stage_is_recorded() -> None:
    @timed("run")
    def fail() -> None:
        raise ValueError

    with record_timings() as stages, pytest.raises(ValueError):  # noqa: PT011  # it has no text
        fail()
    assert list(stages.seconds) == ["run"]


async def test_several_of_one_stage_are_one_sum_and_many_intervals() -> None:
    stages = RequestTimings()
    stages.add("run", 1.0, 1.5)
    stages.add("run", 2.0, 2.25)
    assert stages.seconds == {"run": 0.75}
    assert stages.intervals == [("run", 1.0, 1.5), ("run", 2.0, 2.25)]


async def test_spans_of_an_image_with_many_tiles_are_bounded_and_their_sum_is_not() -> None:
    stages = RequestTimings()
    for _ in range(10_000):
        stages.add("run", 0.0, 1.0)
    assert stages.seconds == {"run": 10_000}
    assert len(stages.intervals) < 1000


async def test_work_on_a_thread_is_recorded_for_its_request() -> None:
    pool = InferencePool(AdmissionController(running=1, waiting=8, deadline_s=20), 1)

    async def request(times: int) -> dict[Stage, float]:
        def work(_: object) -> None:
            for _ in range(times):
                with stage("decode"):
                    pass

        with record_timings() as stages:
            await pool.submit(work, pool.admission.now()).result()
        assert [name for name, _, _ in stages.intervals] == ["queue", *["decode"] * times]
        return dict(stages.seconds)

    try:
        for seconds in await asyncio.gather(*map(request, (1, 2, 3))):
            assert set(seconds) == {"queue", "decode"}
            assert min(seconds.values()) >= 0
    finally:
        await asyncio.to_thread(pool.close)
