"""The process above several workers: uvicorn's, which replaces a worker that dies."""

import logging
import os

from uvicorn.supervisors import Multiprocess

from service.settings import ENV_PREFIX

__all__ = ["Supervisor"]


_log = logging.getLogger(__name__)


class Supervisor(Multiprocess):
    """Different are how it stops, how a replacement starts, and that it survives if none does."""

    def init_processes(self) -> None:
        """Start the first workers, which answer probes while they load."""
        super().init_processes()
        # A later one shares its socket with workers that are ready: it must not take requests only
        # to say that it is still loading. Workers read their settings from the environment.
        os.environ[f"{ENV_PREFIX}LOAD_FIRST"] = "true"

    def keep_subprocess_alive(self) -> None:
        """Replace who died; where that fails (no memory), the next look tries again."""
        try:
            super().keep_subprocess_alive()
        except OSError:
            _log.exception("a worker could not be started")

    def restart_all(self) -> None:
        """Replace all, one after the other; where that fails, those that serve go on."""
        try:
            super().restart_all()
        except OSError:
            _log.exception("a worker could not be started")

    def terminate_all(self) -> None:
        """Stop the workers; from now on, nobody can connect."""
        # As long as this process holds the socket, the kernel goes on taking connections that no
        # worker will ever see: their clients would wait, and then be cut off.
        for socket in self.sockets:
            socket.close()
        super().terminate_all()
