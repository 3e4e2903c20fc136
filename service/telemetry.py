"""One event per request, with an id that the answer echoes. Never a payload.

Pure ASGI, outermost of what we wrap: a handler's exception becomes an answer here, so that an
error has its id and its event too.
"""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import handle

__all__ = ["REQUEST_ID_HEADER", "Telemetry", "note"]

_log = logging.getLogger("service.access")

REQUEST_ID_HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""What may come back in a header and in a log line as it came; anything else gets a new id."""


def note(request: Request, **fields: object) -> None:
    """Add to the event of this request: the model it asked, how many pictures. No payloads."""
    request.scope["state"]["event"].update(fields)


class Telemetry:
    """Wraps the application: request id, one log event, and the last resort for exceptions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.status:  # too late for an answer: the server must cut the connection
                raise
            response = await handle(Request(scope), error)
            await response(scope, exchange.receive, exchange.send)
        finally:
            exchange.log()


class _Exchange:
    """One request and its answer, counted as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._started = time.perf_counter()
        self._bytes_in = self._bytes_out = self.status = 0
        self._event: dict[str, object] = {}
        came = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        self._request_id = came if _SANE_ID.fullmatch(came) else uuid.uuid4().hex
        # A lifespan's state is shared by all requests: ours must not be.
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": self._request_id,
            "event": self._event,
        }

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self._request_id
        elif message["type"] == "http.response.body":
            self._bytes_out += len(message.get("body", b""))
        await self._send(message)

    def log(self) -> None:
        level = _level(self.status)
        if not _log.isEnabledFor(level):
            return
        route = self._scope.get("route")
        fields = {
            "request_id": self._request_id,
            "method": self._scope["method"],
            # The template, so that events of one route can be grouped, and no client's text.
            "route": getattr(route, "path", None) or "unknown",
            "status": self.status,
            "ms": round((time.perf_counter() - self._started) * 1000, 2),
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            **self._event,
        }
        _log.log(level, "request", extra={"fields": fields})


def _level(status: int) -> int:
    """Error is what somebody must look into; refusing when full or late is by design."""
    if status in (503, 504):
        return logging.WARNING
    return logging.ERROR if status >= 500 or not status else logging.INFO
