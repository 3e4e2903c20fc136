"""Health checks of workers, and signals to their supervisor."""

import signal
import time
from collections.abc import Iterator
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest
import uvicorn

from service.auth.key_reloader import ReloadingApiKeys
from service.server.workers.supervisor import Supervisor, _WorkerProcess
from service.settings import Settings
from tests.waiting import LIMIT_S


@pytest.fixture
def worker_and_exit() -> tuple[_WorkerProcess, Connection]:
    """Return a worker that the test plays, and a connection whose close is its exit."""
    worker = _WorkerProcess(uvicorn.Config("app"), [])
    sentinel, exit_ = Pipe()
    worker.process = SimpleNamespace(sentinel=sentinel)  # type: ignore[assignment]  # not started
    return worker, exit_


def test_worker_that_has_not_responded_yet_is_starting(
    worker_and_exit: tuple[_WorkerProcess, Connection],
) -> None:
    worker, _ = worker_and_exit
    assert worker._healthcheck(0) is False
    assert worker.ping(0)
    assert not worker.is_ready(0)


def test_worker_that_stops_responding_is_unhealthy(
    worker_and_exit: tuple[_WorkerProcess, Connection],
) -> None:
    worker, _ = worker_and_exit
    worker.child_conn.send(True)
    assert worker.is_ready(0)
    assert not worker.ping(0)


def test_worker_that_exits_before_it_has_responded_is_unhealthy_at_once(
    worker_and_exit: tuple[_WorkerProcess, Connection],
) -> None:
    worker, exit_ = worker_and_exit
    exit_.close()
    # Uvicorn alone waits for the response to its ping, until this test is cut off.
    assert not worker.ping(3600)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    settings = Settings()
    try:
        yield Supervisor(uvicorn.Config("app", workers=2), settings, ReloadingApiKeys(settings))
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_a_worker_is_replaced_stops_old_and_new_workers_at_once(
    supervisor: Supervisor, signal_number: int
) -> None:
    # Neither the replacement, which still starts, nor the worker that it replaces is in the list of
    # workers while `restart_all` waits for one of them.
    workers = [get_context("spawn").Process(target=time.sleep, args=(60,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    signal.raise_signal(signal_number)
    for worker in workers:
        worker.join(LIMIT_S)
        assert worker.exitcode == -signal.SIGTERM
    assert supervisor.should_exit.wait(LIMIT_S)
