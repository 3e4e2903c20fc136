"""Pipelined requests of a client that leaves."""

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_MAX_READ_AHEAD = 8
"""Requests that may wait while the connection is read. Only reading shows that a client leaves."""


class PipeliningProtocol(HttpToolsProtocol):
    """Uvicorn's connection, in which the running request learns that its client has left.

    Uvicorn tells the request that arrived last, which is another one if requests are pipelined.
    """

    _running: RequestResponseCycle | None = None

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if 0 < len(self.pipeline) < _MAX_READ_AHEAD:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._running and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
