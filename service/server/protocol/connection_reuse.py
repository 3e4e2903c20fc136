"""Several requests on one connection, at once or one after the other."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_MAX_READ_AHEAD = 8
"""Requests that may wait while the connection is read. Only reading shows that a client leaves."""


class ConnectionReuseProtocol(HttpToolsProtocol):
    """Uvicorn's connection, with two corrections.

    When a client leaves, uvicorn tells the request that arrived last; if requests are pipelined,
    the one that runs is another. And it keeps connections open whose next bytes may be the body of
    a request that has its response, or the next request.
    """

    _running: RequestResponseCycle | None = None

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if 0 < len(self.pipeline) < _MAX_READ_AHEAD:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if cycle.waiting_for_100_continue:
            app = _close_unless_continued(app, cycle)  # type: ignore[arg-type,assignment]
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._running and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


def _close_unless_continued(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """Return `app` for a client that expects `100 Continue` before it sends the body.

    With another response, it may send the body or not (RFC 9110, section 10.1.1).
    """

    async def closing_app(scope: Scope, receive: Receive, send: Send) -> None:
        async def closing_send(message: Message) -> None:
            if cycle.waiting_for_100_continue:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, closing_send)

    return closing_app
