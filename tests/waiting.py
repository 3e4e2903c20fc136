"""Wait for an event of another task, thread or process, however slow the machine is."""

import asyncio
import time
from collections.abc import Callable

import pytest

LIMIT_S = 120
"""Ends a test that waits for what never happens. No duration that a test checks."""


def wait_until(condition: Callable[[], object], describe: Callable[[], object] = str) -> None:
    """Wait until `condition` is true, for an event outside this process.

    `describe` returns what a failure shows beside the limit.
    """
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not happen within {LIMIT_S} s\n{describe()}")
        time.sleep(0.02)


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` is true, for an event of another task or thread."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.001)
