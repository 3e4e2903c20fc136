"""One event per request, with an id that the answer echoes. Never a payload.

Observers are told of every request that is over: metrics count it, traces send it on.

Pure ASGI, outermost of what we wrap: a handler's exception becomes an answer here, so that an
error has its id and its event too.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DeadlineExceeded
from service.observability.timing import RequestTimings, record_timings
from service.routes.http.problems import CLIENT_CLOSED_REQUEST, handle_error

__all__ = [
    "REQUEST_ID_HEADER",
    "CompletedRequest",
    "Observer",
    "RequestLogMiddleware",
    "add_log_fields",
    "request_id",
]

_log = logging.getLogger("service.access")

REQUEST_ID_HEADER = "X-Request-ID"
_RAW_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""What may come back in a header and in a log line as it came; anything else gets a new id."""


def add_log_fields(request: Request, **fields: object) -> None:
    """Add to the event of this request: the model it asked, how many pictures. No payloads."""
    request.scope["state"]["event"].update(fields)


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """A request that is over, whichever way."""

    scope: Scope
    route: str
    """The template, so that requests of one route can be grouped, and no client's text."""
    method: str
    status: int
    """0 where nothing was answered."""
    started_at: float
    """Of `time.monotonic`, in seconds."""
    duration_s: float
    timings: RequestTimings
    log_fields: Mapping[str, object]
    """What the route noted: the model, how many pictures."""
    cancelled: bool
    """The client left before the answer was complete."""

    @property
    def timed_out(self) -> bool:
        """Its time was over, before an answer or in the middle of one."""
        problem = self.scope["state"].get("problem")
        return self.status == 504 or problem == DeadlineExceeded.slug


Observer = Callable[[CompletedRequest], None]


class RequestLogMiddleware:
    """Wraps the application: request id, one log event, and the last resort for exceptions."""

    def __init__(self, app: ASGIApp, observers: Sequence[Observer] = ()) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with record_timings() as timings:
            await self._run(_RequestRecorder(scope, receive, send, timings), scope)

    async def _run(self, recorder: "_RequestRecorder", scope: Scope) -> None:
        try:
            await self._app(scope, recorder.receive, recorder.send)
        except Exception as error:
            if recorder.status:  # too late for an answer: the server must cut the connection
                raise
            response = await handle_error(Request(scope), error)
            await response(scope, recorder.receive, recorder.send)
        finally:
            completed = recorder.finish()
            for observer in self._observers:
                observer(completed)
            _log_request(completed, recorder.bytes_in, recorder.bytes_out)


class _RequestRecorder:
    """One request and its answer, counted as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, timings: RequestTimings) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._started_at = time.monotonic()
        self._timings = timings
        self._response_complete = self._client_disconnected = False
        self.bytes_in = self.bytes_out = self.status = 0
        self._log_fields: dict[str, object] = {}
        self._request_id = request_id(scope)
        # A lifespan's state is shared by all requests: ours must not be.
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": self._request_id,
            "event": self._log_fields,
        }

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._response_complete:
            self._client_disconnected = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            others = [pair for pair in message.get("headers", ()) if pair[0] != _RAW_ID_HEADER]
            message["headers"] = [*others, (_RAW_ID_HEADER, self._request_id.encode())]
        elif message["type"] == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            self._response_complete = not message.get("more_body", False)
        await self._send(message)

    def finish(self) -> CompletedRequest:
        return CompletedRequest(
            scope=self._scope,
            route=getattr(self._scope.get("route"), "path", None) or "unknown",
            method=self._scope["method"],
            status=self.status,
            started_at=self._started_at,
            duration_s=time.monotonic() - self._started_at,
            timings=self._timings,
            log_fields=self._log_fields,
            cancelled=self._client_disconnected or self.status == CLIENT_CLOSED_REQUEST,
        )


def request_id(scope: Scope) -> str:
    """What the client calls its request; where it does not say, or says anything odd, a new one."""
    for name, value in scope["headers"]:
        if name == _RAW_ID_HEADER:
            received: str = value.decode("latin-1")
            if _VALID_REQUEST_ID.fullmatch(received):
                return received
            break
    return os.urandom(16).hex()


def _log_request(completed: CompletedRequest, bytes_in: int, bytes_out: int) -> None:
    level = _log_level(completed.status)
    if not _log.isEnabledFor(level):
        return
    fields = {
        "request_id": completed.scope["state"]["request_id"],
        "method": completed.method,
        "route": completed.route,
        "status": completed.status,
        "ms": round(completed.duration_s * 1000, 2),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        **completed.log_fields,
    }
    _log.log(level, "request", extra={"fields": fields})


def _log_level(status: int) -> int:
    """Error is what somebody must look into; refusing when full or late is by design."""
    if status in (503, 504):
        return logging.WARNING
    return logging.ERROR if status >= 500 or not status else logging.INFO
