"""Uvicorn's HTTP protocol with connection limits, and load shedding before the application."""

import asyncio
import fcntl
import logging
import math
import struct
import sys
import termios
from collections.abc import Callable
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, NoReturn, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from service.server.load_shedding import LoadShedder, Rejection
from service.server.protocol.connection_reuse import ConnectionReuseProtocol
from service.server.protocol.limits import ConnectionLimits
from service.server.protocol.raw_responses import problem_response, service_unavailable
from service.server.protocol.request_checks import (
    RequestError,
    check_request_head,
    header_too_large,
)

_log = logging.getLogger(__name__)

OnConnectionDropped = Callable[[str], None]
"""Called with the reason, from a fixed set, when the service closes a connection."""

_NOT_HTTP = RequestError(HTTPStatus.BAD_REQUEST, "invalid", "this is not HTTP/1.1")
_PIPELINED = RequestError(HTTPStatus.BAD_REQUEST, "pipelined", "too many requests")
_MAX_PIPELINED_REQUESTS = 16
"""Requests that may wait behind the current one. No common client pipelines."""
_DRAIN_GRACE_S = 1.0
"""Time for a request that was already on its way when the service began to stop."""
_RESUME_WINDOW_S = 0.05
"""After a connection is resumed, a request that arrives within this time waited in the kernel."""
_MIN_READ_BYTES_PER_S = 1024
"""A slower client could keep a response, and with it the request's body, for hours."""
_LINGER_S = 1.0
"""Time between a rejection and the close: closing with unread bytes would reset the connection."""


class LimitedHttpProtocol(ConnectionReuseProtocol):
    """Uvicorn's connection with time and size limits for reading and writing."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._on_dropped: OnConnectionDropped | None = app_state.get("on_connection_dropped")
        self._load_shedder: LoadShedder | None = app_state.get("load_shedder")
        self._in_header = self._in_body = self._draining = self._rejected = self._closing = False
        self._header_bytes = 0
        self._resumed_at = -math.inf
        self._parse_error = _NOT_HTTP
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    @property
    def _responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _was_paused(self) -> bool:
        """True if the current request waited while this connection was paused."""
        return self.loop.time() - self._resumed_at < _RESUME_WINDOW_S

    # Called by uvicorn.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            limit = f"all {self._limits.max_connections} connections are in use"
            self._reject_connection(HTTPStatus.SERVICE_UNAVAILABLE, "full", limit)
            return
        # Uvicorn starts this timer only after the first response.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if getattr(self.server_state, "draining", False):  # accepted before, connected after
            self.shutdown()

    def data_received(self, data: bytes) -> None:
        if self._rejected or self._closing:
            return
        if self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.max_header_bytes:
                self._reject_connection(*header_too_large(self._limits.max_header_bytes))
                return
        super().data_received(data)
        self._update_read_timer()

    def shutdown(self) -> None:
        """Close after the current response, or after a request that may already be on its way."""
        self._draining = True
        if self._responding:
            # A response whose headers are sent has announced that the connection stays open.
            if not self.cycle.response_started:
                self.cycle.keep_alive = False
        else:
            self.loop.call_later(_DRAIN_GRACE_S, self._close_if_idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm_write_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._write_timer)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._arm_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._read_timer)
        _cancel(self._write_timer)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        del msg
        self._reject_connection(*self._parse_error)

    # Called by the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_header = False
        # Headers that arrived in one piece are not counted yet.
        version, max_bytes = self.parser.get_http_version(), self._limits.max_header_bytes
        if error := check_request_head(version, self.url, self.headers, max_bytes):
            self._stop_parsing(error)
        if len(self.pipeline) >= _MAX_PIPELINED_REQUESTS:
            self._stop_parsing(_PIPELINED)
        self._in_body = True
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._arm_write_timer()
        else:
            self._update_read_timer()
            if self._draining:
                self.loop.call_later(_DRAIN_GRACE_S, self._close_if_idle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start a request: after its headers, or after the response to the pipelined one before."""
        if self._closing:
            return
        self._unset_keepalive_if_required()  # a response within the same packet may have set it
        shedder, scope = self._load_shedder, cast("Scope", cycle.scope)
        rejection = shedder and shedder.check_request(scope, waited=self._was_paused)
        if shedder and rejection:
            self._reject(shedder, cycle, rejection)
        else:
            super()._start_asgi_task(cycle, app)

    # Added to uvicorn's protocol.

    def _reject(
        self, load_shedder: LoadShedder, cycle: RequestResponseCycle, rejection: Rejection
    ) -> None:
        """Respond in place of the application. The rest of the body is read and dropped."""
        # A client that expects "100 Continue" may send the body or not (RFC 9110, section 10.1.1),
        # so the next bytes could be a body or a request.
        keep_alive = cycle.keep_alive and not cycle.waiting_for_100_continue
        cycle.response_started = cycle.response_complete = True
        headers = self.server_state.default_headers
        self.transport.write(service_unavailable(headers, *rejection, keep_alive=keep_alive))
        cycle.on_response()
        if not keep_alive:
            self._closing = True
            self.loop.call_soon(self._close_after_reject)  # after the rest of this packet is parsed
        elif not self._responding:
            self.flow.pause_reading()
            load_shedder.schedule_resume(self._resume_reading)

    def _close_after_reject(self) -> None:
        if self._in_body:
            self._linger()
        else:
            self._close()

    def _resume_reading(self) -> None:
        if not self.transport.is_closing():
            self._resumed_at = self.loop.time()
            self.flow.resume_reading()

    def _stop_parsing(self, error: RequestError) -> NoReturn:
        self._parse_error = error
        raise ValueError(error)

    def _update_read_timer(self) -> None:
        """Start the read timer if the client has to send more, else stop it."""
        is_reading = (self._in_header or self._in_body) and not self._responding
        if not is_reading:
            _cancel(self._read_timer)
            self._read_timer = None
        elif self._read_timer is None and not self.transport.is_closing():
            timeout_s = self._limits.header_timeout_s
            self._read_timer = self.loop.call_later(timeout_s, self._on_read_timeout)

    def _on_read_timeout(self) -> None:
        if self._in_header:
            limit = f"the request headers did not arrive within {self._limits.header_timeout_s:g} s"
            self._reject_connection(HTTPStatus.REQUEST_TIMEOUT, "head-time", limit)
        else:  # the response is already sent
            self._report_dropped("body-time")
            self._close()

    def _close_if_idle(self) -> None:
        if not self._responding and not self._in_header:
            self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
            self._arm_write_timer()

    def _arm_write_timer(self) -> None:
        """Abort the connection if the client reads too little of the buffered response."""
        _cancel(self._write_timer)
        if self.transport.get_write_buffer_size():
            timeout_s = self._limits.write_timeout_s
            limit = self._count_unread_bytes() - int(_MIN_READ_BYTES_PER_S * timeout_s)
            self._write_timer = self.loop.call_later(timeout_s, self._abort_if_slow, limit)

    def _count_unread_bytes(self) -> int:
        """Return the bytes that wait here and in the kernel, which takes megabytes at a time."""
        socket = self.transport.get_extra_info("socket")
        queued = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def _abort_if_slow(self, max_unread_bytes: int) -> None:
        if self._count_unread_bytes() <= max(0, max_unread_bytes):
            self._arm_write_timer()
            return
        self._report_dropped("stalled")
        # Reset it, or the kernel keeps the unread bytes and retries for minutes.
        socket = self.transport.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _reject_connection(self, status: HTTPStatus, reason: str, detail: str) -> None:
        """Respond to something that is not a complete request, and close."""
        if self.transport.is_closing():
            return
        self._report_dropped(reason)
        if self._responding and self._in_body:  # the application waits for the rest of the body
            self.transport.close()
            return
        self._rejected, self._in_header = True, False
        if self._responding:  # the previous request still gets its response
            self.cycle.keep_alive = False
            return
        self.transport.write(problem_response(status, detail))
        self._linger()

    def _linger(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self._close)

    def _report_dropped(self, reason: str) -> None:
        _log.info("connection dropped", extra={"fields": {"reason": reason}})
        if self._on_dropped:
            self._on_dropped(reason)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
