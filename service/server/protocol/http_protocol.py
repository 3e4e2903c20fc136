"""Uvicorn's connection with our bounds, and with a door before the application."""

import asyncio
import logging
import math
import struct
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.server.load_shedding import Door, Refusal
from service.server.protocol.limits import Bounds
from service.server.protocol.raw_responses import full, refusal
from service.server.workers.connection_counts import Crowd

__all__ = ["Connection", "CutOff", "bounded"]

_log = logging.getLogger(__name__)

CutOff = Callable[[str], None]
"""Told why a connection was ended by us, in a word of a bounded set."""

_PIPELINED = 16
"""Requests that may wait behind one that is answered; nobody but attackers pipelines at all."""
_LAST_CALL_S = 1.0
"""For a request that was on its way when the service began to stop."""
_AT_ONCE_S = 0.05
"""In which what waited in the kernel is read, however many other connections have such."""
_LINGER_S = 1.0
"""Between a refusal and the end, for a client that is still sending: a connection that is closed
with bytes unread takes the refusal away from whoever has not read it yet."""


def bounded(bounds: Bounds, crowd: Crowd) -> Callable[..., asyncio.Protocol]:
    """What uvicorn's `http` is to be. It can be pickled, for where workers are spawned."""
    return partial(Connection, bounds=bounds, crowd=crowd)


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, which ends instead of waiting for ever."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: Bounds,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds, self._crowd = bounds, crowd
        self._cut_off: CutOff | None = app_state.get("cut_off")
        self._door: Door | None = app_state.get("door")
        self._in_head = self._in_body = self._last_call = self._refused = self._leaving = False
        self._head_bytes = 0
        self._woken_at = self._unread_at = -math.inf
        self._refusal = (HTTPStatus.BAD_REQUEST, "invalid", "this is not HTTP/1.1")
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_idle(self) -> bool:
        """Whether what comes next is the beginning of a request."""
        return not (self._in_head or self._in_body or self._answering or self._last_call)

    @property
    def _has_waited(self) -> bool:
        """Whether what came was there already when the connection was listened to again."""
        return self.loop.time() - self._woken_at < _AT_ONCE_S

    # What uvicorn calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._crowd.tell(len(self.connections))
        if len(self.connections) > self._bounds.connections:
            limit = f"all {self._bounds.connections} connections are taken"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "full", limit)
            return
        # A connection without a first request is idle, too.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        if self._refused or self._leaving:
            return
        if self._door and self._is_idle:
            refused = self._door.glance(data, self.scheme or "http", waited=self._has_waited)
            if refused is not None:
                self._turn_away_unread(self._door, refused)
                return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._bounds.head_bytes:
                self._refuse(*self._head_refusal)
                return
        super().data_received(data)
        self._mind()

    def shutdown(self) -> None:
        """Stop after the answer under way, or after a request that may be on its way already."""
        self._last_call = True
        if self._answering:
            # An answer whose head is out has promised that a next request may follow it.
            if not self.cycle.response_started:
                self.cycle.keep_alive = False
        else:
            self.loop.call_later(_LAST_CALL_S, self._end_if_idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._stalled)

    def timeout_keep_alive_handler(self) -> None:
        since = self.loop.time() - self._unread_at
        if since < self.timeout_keep_alive:
            # A clock that starts anew with each of thousands of refusals would cost more than they.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive - since, self.timeout_keep_alive_handler
            )
            return
        super().timeout_keep_alive_handler()
        self._expect_progress()

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._patience)
        _cancel(self._stalled)
        super().connection_lost(exc)
        self._crowd.tell(len(self.connections))

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(*self._refusal)

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        # A head that came in one piece was not counted yet.
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._bounds.head_bytes:
            self._refusal = self._head_refusal
            raise ValueError("too large a head")
        if len(self.pipeline) >= _PIPELINED:
            self._refusal = (HTTPStatus.BAD_REQUEST, "pipelined", "too many requests in one piece")
            raise ValueError("too many requests in one piece")
        self._in_body = True
        super().on_headers_complete()
        if self._last_call:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_progress()
        else:
            self._mind()
            if self._last_call:
                self.loop.call_later(_LAST_CALL_S, self._end_if_idle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """A request's turn has come: at the end of its head, or of the answer before its own."""
        if self._leaving:
            return
        self._unset_keepalive_if_required()  # an answer in the same packet may have set it
        scope = cast("Scope", cycle.scope)
        refused = self._door.look(scope, waited=self._has_waited) if self._door else None
        if self._door is None or refused is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._turn_away(self._door, cycle, refused)

    # What is added.

    def _turn_away(self, door: Door, cycle: RequestResponseCycle, refused: Refusal) -> None:
        """Answer for the application. What comes of the request's body is read and dropped."""
        # Who waits for a leave to send the body may send it yet or not (RFC 9110, section 10.1.1):
        # what comes next on this connection could be either.
        stays = cycle.keep_alive and not cycle.waiting_for_100_continue
        cycle.response_started = cycle.response_complete = True
        self.transport.write(full(self.server_state.default_headers, *refused, stays=stays))
        cycle.on_response()
        if not stays:
            self._leaving = True
            self.loop.call_soon(self._leave)  # when the rest of this packet has been looked at
        elif not self._answering:
            self._be_deaf(door)

    def _turn_away_unread(self, door: Door, refused: Refusal) -> None:
        """Answer a request that never was one for uvicorn."""
        self.transport.write(full(self.server_state.default_headers, *refused, stays=True))
        self.server_state.total_requests += 1
        self._unread_at = self.loop.time()
        self._be_deaf(door)

    def _be_deaf(self, door: Door) -> None:
        self.flow.pause_reading()
        door.listen_later(self._listen_again)

    def _leave(self) -> None:
        if self._in_body:
            self._linger()
        else:
            self._close()

    def _listen_again(self) -> None:
        if not self.transport.is_closing():
            self._woken_at = self.loop.time()
            self.flow.resume_reading()

    @property
    def _head_refusal(self) -> tuple[HTTPStatus, str, str]:
        limit = f"the head of a request has at most {self._bounds.head_bytes} bytes"
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-size", limit

    def _mind(self) -> None:
        """Start or stop the clock of a client that owes something."""
        owes = (self._in_head or self._in_body) and not self._answering
        if not owes:
            _cancel(self._patience)
            self._patience = None
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(self._bounds.head_s, self._lose_patience)

    def _lose_patience(self) -> None:
        if self._in_head:
            limit = f"the head of the request did not arrive within {self._bounds.head_s:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "head-time", limit)
        else:  # it has its answer
            self._tell("body-time")
            self._close()

    def _end_if_idle(self) -> None:
        if not self._answering and not self._in_head:
            self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
            self._expect_progress()

    def _expect_progress(self) -> None:
        """Cut the connection when the client takes nothing of what waits for it."""
        _cancel(self._stalled)
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            self._stalled = self.loop.call_later(
                self._bounds.stalled_s, self._cut_if_stalled, waiting
            )

    def _cut_if_stalled(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() >= waited:
            self._tell("stalled")
            # Reset it: else the kernel keeps what was not taken, and tries for minutes.
            socket = self.transport.get_extra_info("socket")
            if socket is not None:
                socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self._expect_progress()

    def _refuse(self, status: HTTPStatus, why: str, detail: str) -> None:
        """Answer before there is a request that the application could answer."""
        if self.transport.is_closing():
            return
        self._tell(why)
        if self._answering and self._in_body:  # the application must not wait for the rest
            self.transport.close()
            return
        self._refused, self._in_head = True, False
        if self._answering:  # what was asked before is answered yet
            self.cycle.keep_alive = False
            return
        self.transport.write(refusal(status, detail))
        self._linger()

    def _linger(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self._close)

    def _tell(self, why: str) -> None:
        _log.info("connection cut off", extra={"fields": {"why": why}})
        if self._cut_off:
            self._cut_off(why)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
