"""Passes results from a thread to event loops, many in one call.

A call into a loop wakes it through a pipe, which costs more than setting a result.
"""

import asyncio
from collections.abc import Sequence

_Future = asyncio.Future[None]
_Outcomes = list[tuple[_Future, Exception | None]]


class FutureNotifier:
    """Collects results of futures; used by one thread."""

    def __init__(self) -> None:
        self._pending: dict[asyncio.AbstractEventLoop, _Outcomes] = {}

    def set_done(self, loop: asyncio.AbstractEventLoop, future: _Future) -> None:
        self._pending.setdefault(loop, []).append((future, None))

    def set_failed(
        self, loop: asyncio.AbstractEventLoop, futures: Sequence[_Future], error: Exception
    ) -> None:
        self._pending.setdefault(loop, []).extend((future, error) for future in futures)

    def flush(self) -> None:
        """Set all collected results. Those of a closed loop are dropped."""
        for loop, outcomes in self._pending.items():
            try:
                loop.call_soon_threadsafe(_resolve_futures, outcomes)
            except RuntimeError:
                continue
        self._pending = {}


def _resolve_futures(outcomes: _Outcomes) -> None:
    for future, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
