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

from service.server.workers.connection_counts import Crowd

__all__ = ["Listener", "sharing"]

_log = logging.getLogger(__name__)

_LOOKS = 10
"""So often a connection is left to others: longer than a loop is kept from looking. Counted, not
timed, because where this worker's own loop came late, so did the others'."""
_LOOK_S = 0.001
_RUDE_S = 1.0
"""So long none is left to others that did not take the last one: one of them may hang."""
_NO_FILES_S = 1.0

_Factory = Callable[[], asyncio.BaseProtocol]


def sharing(crowd: Crowd) -> Callable[[], asyncio.AbstractEventLoop]:
    """What uvicorn's `loop` is to be. It can be pickled, for where workers are spawned."""
    return partial(_Loop, crowd)


class _Loop(uvloop.Loop):
    """Takes connections of a socket that it is given as one of several workers."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self._crowd = crowd

    async def create_server(  # type: ignore[override]  # a server that can be closed
        self, protocol_factory: _Factory, *args: Any, **options: Any
    ) -> "asyncio.AbstractServer | Listener":
        sock = options.get("sock")
        if sock is None:
            return await super().create_server(protocol_factory, *args, **options)
        sock.listen(options.get("backlog", 100))
        return Listener(self, protocol_factory, sock, self._crowd, options.get("ssl"))


class Listener:
    """Takes connections one by one, each where no other worker has fewer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: _Factory,
        sock: socket.socket,
        crowd: Crowd,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop, self._factory, self._crowd, self._tls = loop, factory, crowd, tls
        self._socket = sock
        self._socket.setblocking(False)
        self._waiting: asyncio.TimerHandle | None = None
        self._left = 0
        self._rude_until = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        crowd.join()
        loop.add_reader(sock, self._look)

    def close(self) -> None:
        """Take no more."""
        self._crowd.leave()
        self._pause()
        if self._waiting is not None:
            self._waiting.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for: connections are uvicorn's to end."""

    def _look(self) -> None:
        """A connection waits, or waited until another took it."""
        if self._leaves_it():
            self._resume_in(_LOOK_S)
            return
        self._left = 0
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # such as too many open files
            _log.exception("a connection could not be taken")
            self._resume_in(_NO_FILES_S)
            return
        task = self._loop.create_task(self._serve(connection))
        self._under_way.add(task)
        task.add_done_callback(self._is_made)
        self._crowd.expect(len(self._under_way))

    def _leaves_it(self) -> bool:
        now = self._loop.time()
        if now < self._rude_until or not self._crowd.is_ahead():
            return False
        self._left += 1
        if self._left <= _LOOKS:
            return True
        self._rude_until = now + _RUDE_S
        return False

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._factory, connection, ssl=self._tls)
        except Exception as error:  # noqa: BLE001  # a handshake that failed is the client's affair
            _log.debug("a connection was not made", extra={"fields": {"reason": repr(error)[:200]}})
            connection.close()

    def _is_made(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._crowd.expect(len(self._under_way))

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket)

    def _resume_in(self, seconds: float) -> None:
        # The reader would be called again and again as long as the connection waits.
        self._pause()
        self._waiting = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._socket, self._look)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(0):  # another took it
            self._left = 0
