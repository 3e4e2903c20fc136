"""When a connection that was refused is listened to again.

Who asks again at once, whatever `Retry-After` says, shall not take the processor from those who
were let in: so many refused connections are listened to in a second, however many there are.
"""

import asyncio
import math
import time
from collections.abc import Callable

__all__ = ["RESUMES_PER_SECOND", "RESUME_INTERVAL_S", "ResumePacer"]

RESUMES_PER_SECOND = 1800
"""Connections. The refusals of so many take a quarter of a core, the kernel's part with it."""
RESUME_INTERVAL_S = 0.04
"""Those whose time has come in between are listened to together: between two such turns a thread
that computes need not share the interpreter with refusals."""


class ResumePacer:
    """Used by one thread, the event loop's."""

    def __init__(self) -> None:
        self._next_slot_at = 0.0
        self._waiting: dict[int, list[Callable[[], None]]] = {}

    def schedule(self, resume: Callable[[], None]) -> float:
        """Call `resume` in its turn, which is so many seconds from now."""
        now = time.monotonic()
        self._next_slot_at = max(self._next_slot_at, now) + 1 / RESUMES_PER_SECOND
        turn = math.ceil(self._next_slot_at / RESUME_INTERVAL_S)
        waiting = self._waiting.get(turn)
        if waiting is None:
            waiting = self._waiting[turn] = []
            asyncio.get_running_loop().call_later(
                turn * RESUME_INTERVAL_S - now, self._run_turn, turn
            )
        waiting.append(resume)
        return turn * RESUME_INTERVAL_S - now

    def _run_turn(self, turn: int) -> None:
        for resume in self._waiting.pop(turn):
            resume()
