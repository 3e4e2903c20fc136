"""A text as server-sent events, while it is written (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import ServiceError
from service.problems import handle
from service.routes.work import abandon_when_gone
from service.scheduling.admission import Abandoned
from service.scheduling.streams import Stream
from service.schemas.base import Answer
from service.schemas.text import TextPiece

__all__ = ["EVENT_STREAM", "Events"]

EVENT_STREAM = "text/event-stream"
_DONE = b"data: [DONE]\n\n"


class Events(Response):
    """An event for each piece, one that tells how it ended, and `[DONE]`.

    A failure under way is an event `error` with the problem document, and nothing after it: the
    status has been told already. When the client leaves, the stream is abandoned.
    """

    media_type = EVENT_STREAM

    def __init__(self, request: Request, stream: Stream, last: Callable[[Stream], Answer]) -> None:
        """`last` makes the event after all pieces."""
        # No proxy may keep the events until there are many (X-Accel-Buffering is nginx's).
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._request, self._stream, self._last = request, stream, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope  # the request has it
        watcher = asyncio.create_task(abandon_when_gone(receive, self._stream))
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(start)
            async for event in self._events():
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except Abandoned:
            return  # there is nobody to end it for
        finally:
            watcher.cancel()
            self._stream.abandon()

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream.pieces():
                yield _event(TextPiece(text=piece).to_json())
        except ServiceError as error:
            problem = await handle(self._request, error)
            yield b"event: error\n" + _event(bytes(problem.body))
            return
        yield _event(self._last(self._stream).to_json())
        yield _DONE


def _event(data: bytes) -> bytes:
    # JSON escapes line ends, so that one line holds it all.
    return b"data: " + data + b"\n\n"
