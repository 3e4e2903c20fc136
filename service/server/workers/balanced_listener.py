"""Connections for whichever worker has the fewest. Needs uvloop.

Workers listen on one socket, and the kernel gives a connection to whoever looks first. That is not
the one with the least to do: one that has just begun to compute looks late, and of 32 texts that
are asked for at once, one of two workers has been seen to take all. So a worker that has more
connections than another leaves a new one to that, for a while.
"""

import asyncio
import logging
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import uvloop

from service.server.workers.connection_counts import SharedConnectionCounts

__all__ = ["BalancedListener", "loop_factory"]

_log = logging.getLogger(__name__)

_MAX_DEFERRALS = 10
"""So often a connection is left to others: longer than a loop is kept from looking. Counted, not
timed, because where this worker's own loop came late, so did the others'."""
_DEFERRAL_S = 0.001
_NO_DEFERRAL_S = 1.0
"""So long none is left to others that did not take the last one: one of them may hang."""
_ACCEPT_RETRY_S = 1.0

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]


def loop_factory(
    connection_counts: SharedConnectionCounts,
) -> Callable[[], asyncio.AbstractEventLoop]:
    """What uvicorn's `loop` is to be. It can be pickled, for where workers are spawned."""
    return partial(_BalancedLoop, connection_counts)


class _BalancedLoop(uvloop.Loop):
    """Takes connections of a socket that it is given as one of several workers."""

    def __init__(self, connection_counts: SharedConnectionCounts) -> None:
        super().__init__()
        self._connection_counts = connection_counts

    async def create_server(  # type: ignore[override]  # a server that can be closed
        self, protocol_factory: _ProtocolFactory, *args: Any, **options: Any
    ) -> "asyncio.AbstractServer | BalancedListener":
        sock = options.get("sock")
        if sock is None:
            return await super().create_server(protocol_factory, *args, **options)
        sock.listen(options.get("backlog", 100))
        return BalancedListener(
            self, protocol_factory, sock, self._connection_counts, options.get("ssl")
        )


class BalancedListener:
    """Takes connections one by one, each where no other worker has fewer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: _ProtocolFactory,
        sock: socket.socket,
        connection_counts: SharedConnectionCounts,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop, self._protocol_factory, self._connection_counts, self._tls = (
            loop,
            protocol_factory,
            connection_counts,
            tls,
        )
        self._socket = sock
        self._socket.setblocking(False)
        self._resume_timer: asyncio.TimerHandle | None = None
        self._deferrals = 0
        self._accept_until = 0.0
        self._handshakes: set[asyncio.Task[None]] = set()
        connection_counts.register()
        loop.add_reader(sock, self._on_readable)

    def close(self) -> None:
        """Take no more."""
        self._connection_counts.unregister()
        self._pause()
        if self._resume_timer is not None:
            self._resume_timer.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for: connections are uvicorn's to end."""

    def _on_readable(self) -> None:
        """A connection waits, or waited until another took it."""
        if self._should_defer():
            self._pause_for(_DEFERRAL_S)
            return
        self._deferrals = 0
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # such as too many open files
            _log.exception("accept failed")
            self._pause_for(_ACCEPT_RETRY_S)
            return
        task = self._loop.create_task(self._handshake(connection))
        self._handshakes.add(task)
        task.add_done_callback(self._on_handshake_done)
        self._connection_counts.set_pending(len(self._handshakes))

    def _should_defer(self) -> bool:
        now = self._loop.time()
        if now < self._accept_until or not self._connection_counts.has_more_than_another():
            return False
        self._deferrals += 1
        if self._deferrals <= _MAX_DEFERRALS:
            return True
        self._accept_until = now + _NO_DEFERRAL_S
        return False

    async def _handshake(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(
                self._protocol_factory, connection, ssl=self._tls
            )
        except Exception as error:  # noqa: BLE001  # a handshake that failed is the client's affair
            _log.debug("handshake failed", extra={"fields": {"reason": repr(error)[:200]}})
            connection.close()

    def _on_handshake_done(self, task: "asyncio.Task[None]") -> None:
        self._handshakes.discard(task)
        self._connection_counts.set_pending(len(self._handshakes))

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket)

    def _pause_for(self, seconds: float) -> None:
        # The reader would be called again and again as long as the connection waits.
        self._pause()
        self._resume_timer = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._socket, self._on_readable)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(0):  # another took it
            self._deferrals = 0
