"""ASGI middleware that limits the total size of buffered request bodies, and the time to send one.

A request takes a slot in a queue only when its body is complete. Until then, the number of
connections alone would limit how many bodies are buffered, which is too many if they are large.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DeadlineExceeded, Overloaded

_SMALL_BODY_BYTES = 256 << 10
_SMALL_BODY_RESERVE = 1 / 8
"""Fraction of the limit that is reserved for small bodies."""


class BodyLimitMiddleware:
    """Counts each body from its first byte until its request has ended."""

    def __init__(
        self, app: ASGIApp, max_buffered_bytes: int, max_body_bytes: int, body_timeout_s: float
    ) -> None:
        """Limit this process to `max_buffered_bytes`, of which one body may be `max_body_bytes`.

        A body must be complete within `body_timeout_s` of the request's arrival.
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
                    raise Overloaded(
                        f"the request bodies in flight have reached the limit of {limit} bytes"
                    )
                own_bytes += size
                self._buffered_bytes += size
            return message

        try:
            await self._app(scope, limited_receive, send)
        finally:
            self._buffered_bytes -= own_bytes
