"""A text as server-sent events, while it is written (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import ServiceError
from service.routes.http.execution import Cancellable, watch_disconnect
from service.routes.http.problems import handle_error
from service.scheduling.admission import RequestCancelled
from service.schemas.base import ResponseModel

__all__ = ["EVENT_STREAM", "EventStreamResponse", "event_stream_content"]

EVENT_STREAM = "text/event-stream"
_DONE_EVENT = b"data: [DONE]\n\n"


def event_stream_content(event_schema: dict[str, Any], example: str) -> dict[str, Any]:
    """A stream in OpenAPI 3.1, whose schema there is that of each event (3.2 has `itemSchema`).

    `event_schema` is the JSON Schema of the data of every event but the last, `example` one of
    them.
    """
    data = {"contentMediaType": "application/json", "contentSchema": event_schema, "type": "string"}
    schema = {
        "type": "object",
        "description": "An event of the stream, which ends with one whose data are `[DONE]`",
        "properties": {
            "data": {"anyOf": [data, {"type": "string", "const": "[DONE]"}]},
            "event": {"type": "string", "const": "error"},
        },
        "required": ["data"],
    }
    return {EVENT_STREAM: {"schema": schema, "example": {"data": example}}}


class EventStreamResponse(Response):
    """An event for each answer, and `[DONE]`.

    A failure under way is an event `error` with what the handler of errors makes of it, and
    nothing after it: the status has been told already. When the client leaves, the work is
    abandoned.
    """

    media_type = EVENT_STREAM

    def __init__(
        self, request: Request, source: Cancellable, events: AsyncIterator[ResponseModel]
    ) -> None:
        """`events` come out of `source`."""
        # No proxy may keep the events until there are many (X-Accel-Buffering is nginx's).
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._request, self._source, self._source_events = request, source, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope  # the request has it
        watcher = asyncio.create_task(watch_disconnect(receive, self._source))
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(start)
            async for event in self._encode_events():
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except RequestCancelled:
            return  # there is nobody to end it for
        finally:
            watcher.cancel()
            self._source.cancel()

    async def _encode_events(self) -> AsyncIterator[bytes]:
        try:
            async for event in self._source_events:
                yield _format_event(event.to_json())
        except ServiceError as error:
            problem = await handle_error(self._request, error)
            yield b"event: error\n" + _format_event(bytes(problem.body))
            return
        yield _DONE_EVENT


def _format_event(data: bytes) -> bytes:
    # JSON escapes line ends, so that one line holds it all.
    return b"data: " + data + b"\n\n"
