"""Results from a thread to the event loops that wait for them, in one call for many.

A call into a loop wakes it through a pipe, which costs more than a result.
"""

import asyncio
from collections.abc import Sequence

__all__ = ["Teller"]

_Future = asyncio.Future[None]
_News = list[tuple[_Future, Exception | None]]


class Teller:
    """Collects what became of futures; used by one thread."""

    def __init__(self) -> None:
        self._news: dict[asyncio.AbstractEventLoop, _News] = {}

    def done(self, loop: asyncio.AbstractEventLoop, future: _Future) -> None:
        self._news.setdefault(loop, []).append((future, None))

    def failed(
        self, loop: asyncio.AbstractEventLoop, futures: Sequence[_Future], error: Exception
    ) -> None:
        self._news.setdefault(loop, []).extend((future, error) for future in futures)

    def tell(self) -> None:
        """Pass everything on. A loop that was closed meanwhile has nobody left who waits."""
        for loop, news in self._news.items():
            try:
                loop.call_soon_threadsafe(_settle, news)
            except RuntimeError:
                continue
        self._news = {}


def _settle(news: _News) -> None:
    for future, error in news:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
