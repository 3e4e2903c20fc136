"""Server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.errors import ServiceError
from service.routes.http.execution import Cancellable
from service.routes.http.problems import handle_error
from service.scheduling.admission import RequestCancelled
from service.schemas.base import ResponseModel

EVENT_STREAM = "text/event-stream"
_DONE_EVENT = b"data: [DONE]\n\n"


def event_stream_content(event_schema: dict[str, Any], example: str) -> dict[str, Any]:
    """Return the OpenAPI content of a stream.

    In OpenAPI 3.1 its schema is that of each event (3.2 has `itemSchema`). `event_schema` is the
    JSON Schema of the data of every event but the last, `example` one of them.
    """
    data = {"contentMediaType": "application/json", "contentSchema": event_schema, "type": "string"}
    schema = {
        "type": "object",
        "description": "An event of the stream; the data of the last are `[DONE]`",
        "properties": {
            "data": {"anyOf": [data, {"type": "string", "const": "[DONE]"}]},
            "event": {"type": "string", "const": "error"},
        },
        "required": ["data"],
    }
    return {EVENT_STREAM: {"schema": schema, "example": {"data": example}}}


class EventStreamResponse(StreamingResponse):
    """Send each of `events`, then `[DONE]`; cancel `source` when the client disconnects.

    A failure after the start is an event `error` with the error document, and ends the stream:
    its status has been sent already.
    """

    media_type = EVENT_STREAM

    def __init__(
        self, request: Request, source: Cancellable, events: AsyncIterator[ResponseModel]
    ) -> None:
        # X-Accel-Buffering keeps nginx from holding events back.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        self._events = _encode_events(request, events)
        super().__init__(self._events, headers=headers)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope.get("http_version") == "1.0":  # knows no chunks
                body = b"".join([event async for event in self._events])
                await Response(body, headers=dict(self.headers))(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._source.cancel()


async def _encode_events(
    request: Request, events: AsyncIterator[ResponseModel]
) -> AsyncIterator[bytes]:
    try:
        async for event in events:
            yield _format_event(event.to_json())
    except RequestCancelled:
        return  # the client is gone
    except ServiceError as error:
        problem = await handle_error(request, error)
        yield b"event: error\n" + _format_event(bytes(problem.body))
    else:
        yield _DONE_EVENT


def _format_event(data: bytes) -> bytes:
    # JSON escapes line breaks, so one line holds it.
    return b"data: " + data + b"\n\n"
