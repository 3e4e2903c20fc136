"""The supervisor of several workers: uvicorn's, which replaces workers that die."""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from functools import partial
from multiprocessing import connection
from socket import socket
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
import uvloop
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors import multiprocess as uvicorn_multiprocess

from service.auth.key_reloader import ReloadingApiKeys
from service.observability.worker_metrics import remove_gauges_of_dead_workers
from service.server.workers.draining_server import DrainingServer
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

_log = logging.getLogger(__name__)


def create_worker_app(settings: Settings, keys: ReloadingApiKeys) -> "FastAPI":
    """Create the application in a worker, from what the parent process has read."""
    from service.app import create_app  # the parent serves nothing, and saves its memory

    return create_app(settings, keys=keys)


class ReusePortLoop(uvloop.Loop):
    """Listens with SO_REUSEPORT, so that the kernel spreads connections over the workers.

    A socket shared by all workers would give most connections to the worker that wakes up first.
    """

    async def create_server(self, *args: Any, **options: Any) -> Any:
        return await super().create_server(*args, **options, reuse_port=True)


class _WorkerProcess(uvicorn_multiprocess.Process):
    """A worker whose exit the supervisor notices at once, and which may start slowly."""

    _has_responded = False

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = DrainingServer(self.config)
        return self._server

    def always_pong(self) -> None:
        """Respond to pings, in the worker. Stop the worker when the supervisor has died."""
        self.parent_conn.close()  # the worker's copy, which would keep the pipe open
        try:
            super().always_pong()
        except (OSError, EOFError):
            os.kill(os.getpid(), signal.SIGTERM)

    def _healthcheck(self, timeout: float) -> bool | None:
        """Ping the worker. Return None if it ends, or does not respond within `timeout` seconds.

        A worker that has never responded is still importing the application. Where CPU is scarce
        that takes longer than `timeout`, and a replacement would take as long.
        """
        # Uvicorn waits only for the pong: a worker that is killed after the ping was sent would be
        # replaced only after the whole timeout.
        try:
            self.parent_conn.send(b"ping")
            ready = connection.wait([self.parent_conn, self.process.sentinel], timeout)
            if self.parent_conn in ready:
                self._has_responded = True
                return cast("bool", self.parent_conn.recv())
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        return None if ready or self._has_responded else False


class Supervisor(Multiprocess):
    """Uvicorn's supervisor of workers that each listen on a socket of their own.

    It continues when a worker cannot be started; replacements get the current keys.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings, keys: ReloadingApiKeys) -> None:
        """`config` needs no application: each worker creates its own."""
        setattr(uvicorn_multiprocess, "Process", _WorkerProcess)  # noqa: B010  # uvicorn has no hook for it
        config.app = partial(create_worker_app, settings, keys)
        self._settings, self._keys = settings, keys
        # Without sockets from here, a worker binds its own, through its event loop.
        super().__init__(config, cast("list[socket]", None))
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._stop)

    def _stop(self, signal_number: int, _: FrameType | None) -> None:
        """Stop all workers at once, also those that `restart_all` is starting or waiting for.

        Uvicorn would look at the signal only when it has replaced every worker.
        """
        self.signal_queue.append(signal_number)
        for worker in multiprocessing.active_children():
            worker.terminate()
        # The code that the signal interrupts may hold the event's lock, so another thread sets it.
        threading.Thread(target=self.should_exit.set).start()

    def init_processes(self) -> None:
        """Start the first workers, which respond to probes while they load models."""
        super().init_processes()
        # The kernel sends a replacement requests as soon as it listens: it must be ready by then.
        replacement = self._settings.model_copy(update={"load_before_listen": True})
        self.config.app = partial(create_worker_app, replacement, self._keys)

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers. If that fails (no memory), the next check tries again."""
        self._keys.refresh()
        try:
            super().keep_subprocess_alive()
        except OSError:
            _log.exception("could not start worker")
        remove_gauges_of_dead_workers({process.pid for process in self.processes})

    def restart_all(self) -> None:
        """Replace all workers one after the other. If that fails, the current ones keep running."""
        try:
            super().restart_all()
        except OSError:
            _log.exception("could not start worker")
