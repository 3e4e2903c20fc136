"""Pacing of rejected connections: when they are read again."""

import asyncio
from types import SimpleNamespace

import pytest

from service.server.load_shedding import resume_pacer
from service.server.load_shedding.resume_pacer import (
    RESUME_INTERVAL_S,
    RESUMES_PER_SECOND,
    ResumePacer,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def test_delay_grows_with_the_number_of_rejected_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resume_pacer, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    pacer = ResumePacer()
    delays = [pacer.schedule(lambda: None) for _ in range(1000)]
    assert 0 <= delays[0] <= RESUME_INTERVAL_S + 1 / RESUMES_PER_SECOND
    # At most the time of a thousand at this pace and the rest of an interval.
    assert 0.5 < delays[-1] <= 1000 / RESUMES_PER_SECOND + RESUME_INTERVAL_S
    assert all(delay >= 0 for delay in delays)


async def test_connections_are_resumed_once_and_in_order() -> None:
    pacer, resumed = ResumePacer(), list[int]()
    count = int(3 * RESUMES_PER_SECOND * RESUME_INTERVAL_S)  # some three turns
    for number in range(count):
        pacer.schedule(lambda number=number: resumed.append(number))  # type: ignore[misc]
    assert not resumed
    await until(lambda: len(resumed) == count)
    await asyncio.sleep(2 * RESUME_INTERVAL_S)
    assert resumed == list(range(count))
