"""The process above several workers: uvicorn's, which replaces a worker that dies."""

import logging
import os
import signal
import warnings
from multiprocessing.context import ForkContext, ForkProcess
from typing import ClassVar

from uvicorn import _subprocess
from uvicorn.supervisors import Multiprocess

from service.settings import ENV_PREFIX

__all__ = ["Supervisor", "fork_workers"]


_log = logging.getLogger(__name__)

_HANDLED_SIGNALS = {
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTTIN", "SIGTTOU", "SIGUSR1")
    if hasattr(signal, name)
}


class _WorkerProcess(ForkProcess):
    """A copy of this process that does not take its signals for its own."""

    def start(self) -> None:
        # A signal that comes before the copy has handlers of its own waits. Handled by those that
        # it is born with, an order to stop would be noted in a list that nobody there reads.
        previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED_SIGNALS)
        try:
            with warnings.catch_warnings():
                # onnxruntime keeps a thread that waits, and holds no lock, for it knows not what.
                warnings.filterwarnings("ignore", "This process .* is multi-threaded")
                super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)

    def run(self) -> None:
        for number in _HANDLED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED_SIGNALS)
        super().run()


class _ForkContext(ForkContext):
    Process: ClassVar[type[ForkProcess]] = _WorkerProcess


def fork_workers() -> None:
    """Let uvicorn fork its workers from this process, rather than start each from nothing."""
    setattr(_subprocess, "spawn", _ForkContext())  # noqa: B010  # it has no setting for that


class Supervisor(Multiprocess):
    """Different are how it stops, how a replacement starts, and that it survives if none does."""

    def init_processes(self) -> None:
        """Start the first workers, which answer probes while they load."""
        super().init_processes()
        # A later one shares its socket with workers that are ready: it must not take requests only
        # to say that it is still loading. Workers read their settings from the environment.
        os.environ[f"{ENV_PREFIX}LOAD_BEFORE_LISTEN"] = "true"

    def keep_subprocess_alive(self) -> None:
        """Replace who died; where that fails (no memory), the next look tries again."""
        try:
            super().keep_subprocess_alive()
        except OSError:
            _log.exception("could not start worker")

    def restart_all(self) -> None:
        """Replace all, one after the other; where that fails, those that serve go on."""
        try:
            super().restart_all()
        except OSError:
            _log.exception("could not start worker")

    def terminate_all(self) -> None:
        """Stop the workers; from now on, nobody can connect."""
        # As long as this process holds the socket, the kernel goes on taking connections that no
        # worker will ever see: their clients would wait, and then be cut off.
        for socket in self.sockets:
            socket.close()
        super().terminate_all()
