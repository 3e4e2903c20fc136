"""Health checks of workers."""

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest
import uvicorn

from service.server.workers.supervisor import _WorkerProcess


@pytest.fixture
def worker_and_exit() -> tuple[_WorkerProcess, Connection]:
    """A worker that the test acts for, and a connection whose close is its exit."""
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


def test_worker_that_exits_before_it_has_responded_is_unhealthy(
    worker_and_exit: tuple[_WorkerProcess, Connection],
) -> None:
    worker, exit_ = worker_and_exit
    exit_.close()
    assert not worker.ping(0)
