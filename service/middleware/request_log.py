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
from service.observability.timing import Stages, watch
from service.routes.http.problems import CLIENT_GONE, handle

__all__ = [
    "REQUEST_ID_HEADER",
    "Finished",
    "Observer",
    "Telemetry",
    "new_request_id",
    "note",
    "request_id",
]

_log = logging.getLogger("service.access")

REQUEST_ID_HEADER = "X-Request-ID"
_RAW_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""What may come back in a header and in a log line as it came; anything else gets a new id."""


def note(request: Request, **fields: object) -> None:
    """Add to the event of this request: the model it asked, how many pictures. No payloads."""
    request.scope["state"]["event"].update(fields)


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that is over, whichever way."""

    scope: Scope
    route: str
    """The template, so that requests of one route can be grouped, and no client's text."""
    method: str
    status: int
    """0 where nothing was answered."""
    started: float
    """Of `time.monotonic`, in seconds."""
    seconds: float
    stages: Stages
    event: Mapping[str, object]
    """What the route noted: the model, how many pictures."""
    cancelled: bool
    """The client left before the answer was complete."""

    @property
    def late(self) -> bool:
        """Its time was over, before an answer or in the middle of one."""
        problem = self.scope["state"].get("problem")
        return self.status == 504 or problem == DeadlineExceeded.slug


Observer = Callable[[Finished], None]


class Telemetry:
    """Wraps the application: request id, one log event, and the last resort for exceptions."""

    def __init__(self, app: ASGIApp, observers: Sequence[Observer] = ()) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with watch() as stages:
            await self._watched(_Exchange(scope, receive, send, stages), scope)

    async def _watched(self, exchange: "_Exchange", scope: Scope) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.status:  # too late for an answer: the server must cut the connection
                raise
            response = await handle(Request(scope), error)
            await response(scope, exchange.receive, exchange.send)
        finally:
            done = exchange.finish()
            for observer in self._observers:
                observer(done)
            _log_event(done, exchange.bytes_in, exchange.bytes_out)


class _Exchange:
    """One request and its answer, counted as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stages: Stages) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._started = time.monotonic()
        self._stages = stages
        self._complete = self._left = False
        self.bytes_in = self.bytes_out = self.status = 0
        self._event: dict[str, object] = {}
        self._request_id = request_id(scope)
        # A lifespan's state is shared by all requests: ours must not be.
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": self._request_id,
            "event": self._event,
        }

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._complete:
            self._left = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            others = [pair for pair in message.get("headers", ()) if pair[0] != _RAW_ID_HEADER]
            message["headers"] = [*others, (_RAW_ID_HEADER, self._request_id.encode())]
        elif message["type"] == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def finish(self) -> Finished:
        return Finished(
            scope=self._scope,
            route=getattr(self._scope.get("route"), "path", None) or "unknown",
            method=self._scope["method"],
            status=self.status,
            started=self._started,
            seconds=time.monotonic() - self._started,
            stages=self._stages,
            event=self._event,
            cancelled=self._left or self.status == CLIENT_GONE,
        )


def request_id(scope: Scope) -> str:
    """What the client calls its request; where it does not say, or says anything odd, a new one."""
    for name, value in scope["headers"]:
        if name == _RAW_ID_HEADER:
            came: str = value.decode("latin-1")
            if _SANE_ID.fullmatch(came):
                return came
            break
    return new_request_id()


def new_request_id() -> str:
    """32 hexadecimal digits."""
    return os.urandom(16).hex()


def _log_event(done: Finished, bytes_in: int, bytes_out: int) -> None:
    level = _level(done.status)
    if not _log.isEnabledFor(level):
        return
    fields = {
        "request_id": done.scope["state"]["request_id"],
        "method": done.method,
        "route": done.route,
        "status": done.status,
        "ms": round(done.seconds * 1000, 2),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        **done.event,
    }
    _log.log(level, "request", extra={"fields": fields})


def _level(status: int) -> int:
    """Error is what somebody must look into; refusing when full or late is by design."""
    if status in (503, 504):
        return logging.WARNING
    return logging.ERROR if status >= 500 or not status else logging.INFO
