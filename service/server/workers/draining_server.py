"""Uvicorn's server, which on shutdown also drains connections that it is just accepting."""

import asyncio
import os
import select
from socket import socket
from types import FrameType

import uvicorn
from uvicorn.server import ServerState

_MAX_ACCEPT_S = 10.0


class DrainingState(ServerState):
    """Uvicorn's state shared by all connections, with a flag for shutdown."""

    draining = False


class DrainingServer(uvicorn.Server):
    """Uvicorn calls `shutdown` of the connections that exist when it stops, and of no later one.

    A connection whose accept or TLS handshake ends after that would be served on, until it is cut
    at the end of the graceful shutdown. With this state, it learns that the server is stopping.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: DrainingState = DrainingState()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if not self.started:  # there is no client yet, and threads that load models cannot be ended
            os._exit(0)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.server_state.draining = True
        await self._accept_pending()
        await super().shutdown(sockets)

    async def _accept_pending(self) -> None:
        """Accept what waits in the kernel: closing the socket would reset it."""
        listeners = select.poll()
        for server in self.servers:
            for listener in server.sockets:
                _stop_queueing(listener.fileno())
                listeners.register(listener.fileno(), select.POLLIN)
        # The event loop accepts one connection in each turn (libuv 1.46 and later).
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MAX_ACCEPT_S
        while listeners.poll(0) and loop.time() < deadline:
            await asyncio.sleep(0)


def _stop_queueing(listener: int) -> None:
    """Let Linux drop new connection attempts while others wait to be accepted.

    A client repeats a dropped attempt after a second. The socket is closed by then, and the client
    is refused before it has sent a request, or another worker accepts it.
    """
    with socket(fileno=os.dup(listener)) as duplicate:
        duplicate.listen(0)
