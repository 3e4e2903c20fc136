"""When a connection that was refused is listened to again.

Who asks again at once, whatever `Retry-After` says, shall not take the processor from those who
were let in: so many refused connections are listened to in a second, however many there are.
"""

import asyncio
import math
import time
from collections.abc import Callable

__all__ = ["A_SECOND", "TURN_S", "Turns"]

A_SECOND = 1800
"""Connections. The refusals of so many take a quarter of a core, the kernel's part with it."""
TURN_S = 0.04
"""Those whose time has come in between are listened to together: between two such turns a thread
that computes need not share the interpreter with refusals."""


class Turns:
    """Used by one thread, the event loop's."""

    def __init__(self) -> None:
        self._listened_to = 0.0
        self._waiting: dict[int, list[Callable[[], None]]] = {}

    def wait(self, listen: Callable[[], None]) -> float:
        """Call `listen` in its turn, which is so many seconds from now."""
        now = time.monotonic()
        self._listened_to = max(self._listened_to, now) + 1 / A_SECOND
        turn = math.ceil(self._listened_to / TURN_S)
        waiting = self._waiting.get(turn)
        if waiting is None:
            waiting = self._waiting[turn] = []
            asyncio.get_running_loop().call_later(turn * TURN_S - now, self._come, turn)
        waiting.append(listen)
        return turn * TURN_S - now

    def _come(self, turn: int) -> None:
        for listen in self._waiting.pop(turn):
            listen()
