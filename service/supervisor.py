"""The process above several workers: uvicorn's, which replaces a worker that dies."""

import os

from uvicorn.supervisors import Multiprocess

from service.settings import ENV_PREFIX

__all__ = ["Supervisor"]


class Supervisor(Multiprocess):
    """Two things are different: how it stops, and how a replacement starts."""

    def init_processes(self) -> None:
        """Start the first workers, which answer probes while they load."""
        super().init_processes()
        # A later one shares its socket with workers that are ready: it must not take requests only
        # to say that it is still loading. Workers read their settings from the environment.
        os.environ[f"{ENV_PREFIX}LOAD_FIRST"] = "true"

    def terminate_all(self) -> None:
        """Stop the workers; from now on, nobody can connect."""
        # As long as this process holds the socket, the kernel goes on taking connections that no
        # worker will ever see: their clients would wait, and then be cut off.
        for socket in self.sockets:
            socket.close()
        super().terminate_all()
