"""Bodies that are held in memory, of all requests together: bounded, whatever each may have.

A place in a queue is taken when a body is whole; until then the connections alone would bound how
many bodies arrive at a time, and that is far too many large ones.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Overloaded

__all__ = ["Holding"]


class Holding:
    """Pure ASGI: what comes through here counts until the request is over."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """`limit` is in bytes, of this process."""
        self._app = app
        self._limit = limit
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        mine = 0

        async def counted() -> Message:
            nonlocal mine
            message = await receive()
            size = len(message.get("body", b""))
            if size:
                if self._held + size > self._limit:
                    raise Overloaded(f"bodies of {self._limit} bytes are being held already")
                mine += size
                self._held += size
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= mine
