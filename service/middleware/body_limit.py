"""Bodies that are held in memory, of all requests together: bounded in bytes, and each in time.

A place in a queue is taken when a body is whole; until then the connections alone would bound how
many bodies arrive at a time, and that is far too many large ones.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DeadlineExceeded, Overloaded

__all__ = ["Holding"]

_SMALL_BYTES = 256 << 10
_FOR_SMALL = 1 / 8
"""Of the limit. Whoever sends large bodies and does not end them keeps no small one out."""


class Holding:
    """Pure ASGI: what comes through here counts until the request is over."""

    def __init__(self, app: ASGIApp, limit: int, largest: int, arrival_s: float) -> None:
        """`limit` is in bytes, of this process, `largest` of one body.

        A body must be whole within `arrival_s`.
        """
        self._app = app
        self._limit = limit
        self._limit_of_large = max(limit - int(limit * _FOR_SMALL), largest)
        self._arrival_s = arrival_s
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        mine, whole = 0, False
        until = asyncio.get_running_loop().time() + self._arrival_s

        async def counted() -> Message:
            nonlocal mine, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                late = f"the body did not arrive within {self._arrival_s:g} s"
                raise DeadlineExceeded(late) from None
            whole = not message.get("more_body", False)
            size = len(message.get("body", b""))
            if size:
                large = mine + size > _SMALL_BYTES
                limit = self._limit_of_large if large else self._limit
                if self._held + size > limit:
                    raise Overloaded(f"bodies of {limit} bytes are being held already")
                mine += size
                self._held += size
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= mine
