"""When those that were refused are listened to again."""

import asyncio

import pytest

from service.server.load_shedding.resume_pacer import (
    RESUME_INTERVAL_S,
    RESUMES_PER_SECOND,
    ResumePacer,
)

pytestmark = pytest.mark.anyio


async def test_the_more_are_refused_the_longer_they_are_not_listened_to() -> None:
    turns = ResumePacer()
    waits = [turns.schedule(lambda: None) for _ in range(1000)]
    assert 0 <= waits[0] <= RESUME_INTERVAL_S + 1 / RESUMES_PER_SECOND
    # What a thousand take at that pace, and what is left of a turn, less what asking took.
    assert 0.5 < waits[-1] <= 1000 / RESUMES_PER_SECOND + RESUME_INTERVAL_S
    assert all(wait >= 0 for wait in waits)


async def test_all_are_listened_to_once_in_their_order() -> None:
    turns, heard = ResumePacer(), list[int]()
    count = int(3 * RESUMES_PER_SECOND * RESUME_INTERVAL_S)  # some three turns
    for number in range(count):
        turns.schedule(lambda number=number: heard.append(number))  # type: ignore[misc]
    assert not heard
    async with asyncio.timeout(10):
        while len(heard) < count:
            await asyncio.sleep(RESUME_INTERVAL_S / 4)
    await asyncio.sleep(2 * RESUME_INTERVAL_S)
    assert heard == list(range(count))
