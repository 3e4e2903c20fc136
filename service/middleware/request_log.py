"""ASGI middleware that gives each request an id and one log event, and handles exceptions.

It is the outermost of our middleware but one: it turns a handler's exception into a response, so
that an error has its id and its event too.
"""

import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.request_log import (
    REQUEST_ID_HEADER,
    CompletedRequest,
    Observer,
    log_request,
    request_id,
)
from service.observability.timing import RequestTimings, record_timings
from service.routes.http.problems import CLIENT_CLOSED_REQUEST, handle_error

_RAW_ID_HEADER = REQUEST_ID_HEADER.lower().encode()


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
            if recorder.status:  # the response has started: the server must close the connection
                raise
            response = await handle_error(Request(scope), error)
            await response(scope, recorder.receive, recorder.send)
        finally:
            completed = recorder.finish()
            for observer in self._observers:
                observer(completed)
            log_request(completed, recorder.bytes_in, recorder.bytes_out)


_UVLOOP_CLOSED = "the handler is closed"
"""Part of uvloop's message when something is written to a closed connection."""


class _RequestRecorder:
    """Counts the bytes of one request and its response, and notes the status."""

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
        try:
            await self._send(message)
        except RuntimeError as error:
            # uvloop closes a connection that was reset before uvicorn hears of it.
            if _UVLOOP_CLOSED not in str(error):
                raise
            self._client_disconnected = True

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
