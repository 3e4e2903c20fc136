"""Decides when a connection that was rejected is read again.

Clients that retry at once, whatever `Retry-After` says, must not take the CPU from admitted
requests: only so many rejected connections are resumed in a second, however many there are.
"""

import asyncio
import math
import time
from collections.abc import Callable

RESUMES_PER_SECOND = 900
"""Connections. Rejecting this many requests takes a quarter of a core, with the kernel's part."""
RESUME_INTERVAL_S = 0.04
"""Connections due in the same interval are resumed together, so that compute threads keep the
GIL to themselves in between."""


class ResumePacer:
    """Used by the event loop's thread only."""

    def __init__(self) -> None:
        self._next_slot_at = 0.0
        self._waiting: dict[int, list[Callable[[], None]]] = {}

    def schedule(self, resume: Callable[[], None]) -> float:
        """Call `resume` in its turn. Return the seconds until then."""
        now = time.monotonic()
        self._next_slot_at = max(self._next_slot_at, now) + 1 / RESUMES_PER_SECOND
        turn = math.ceil(self._next_slot_at / RESUME_INTERVAL_S)
        delay_s = turn * RESUME_INTERVAL_S - now
        if turn not in self._waiting:
            self._waiting[turn] = []
            asyncio.get_running_loop().call_later(delay_s, self._run_turn, turn)
        self._waiting[turn].append(resume)
        return delay_s

    def _run_turn(self, turn: int) -> None:
        for resume in self._waiting.pop(turn):
            resume()
