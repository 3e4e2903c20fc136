"""Bodies that are held in memory, of all requests together: bounded in bytes, and each in time.

A place in a queue is taken when a body is whole; until then the connections alone would bound how
many bodies arrive at a time, and that is far too many large ones.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DeadlineExceeded, Overloaded

__all__ = ["BodyLimitMiddleware"]

_SMALL_BODY_BYTES = 256 << 10
_SMALL_BODY_RESERVE = 1 / 8
"""Share of the limit that large, unfinished bodies cannot take from small ones."""


class BodyLimitMiddleware:
    """Pure ASGI: what comes through here counts until the request is over."""

    def __init__(
        self, app: ASGIApp, max_buffered_bytes: int, max_body_bytes: int, body_timeout_s: float
    ) -> None:
        """`max_buffered_bytes` is in bytes, of this process, `max_body_bytes` of one body.

        A body must be whole within `body_timeout_s`.
        """
        self._app = app
        self._max_buffered_bytes = max_buffered_bytes
        self._max_large_body_bytes = max(
            max_buffered_bytes - int(max_buffered_bytes * _SMALL_BODY_RESERVE), max_body_bytes
        )
        self._body_timeout_s = body_timeout_s
        self._buffered_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own_bytes, is_complete = 0, False
        deadline = asyncio.get_running_loop().time() + self._body_timeout_s

        async def limited_receive() -> Message:
            nonlocal own_bytes, is_complete
            if is_complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                detail = f"the body did not arrive within {self._body_timeout_s:g} s"
                raise DeadlineExceeded(detail) from None
            is_complete = not message.get("more_body", False)
            size = len(message.get("body", b""))
            if size:
                is_large = own_bytes + size > _SMALL_BODY_BYTES
                limit = self._max_large_body_bytes if is_large else self._max_buffered_bytes
                if self._buffered_bytes + size > limit:
                    raise Overloaded(f"bodies of {limit} bytes are being held already")
                own_bytes += size
                self._buffered_bytes += size
            return message

        try:
            await self._app(scope, limited_receive, send)
        finally:
            self._buffered_bytes -= own_bytes
