"""Uvicorn's server, which on shutdown also drains connections that it is just accepting."""

from socket import socket

import uvicorn
from uvicorn.server import ServerState

__all__ = ["DrainingServer", "DrainingState"]


class DrainingState(ServerState):
    """What uvicorn shares with every connection, and whether the server is shutting down."""

    draining = False


class DrainingServer(uvicorn.Server):
    """Uvicorn calls `shutdown` of the connections that exist when it stops, and of no later one.

    A connection whose accept or TLS handshake ends after that would be served on, until it is cut
    at the end of the graceful shutdown. With this state, it learns that the server is stopping.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: DrainingState = DrainingState()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.server_state.draining = True
        await super().shutdown(sockets)
