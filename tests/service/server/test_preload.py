"""Workers are copies of a process that has loaded the shelf."""

import signal
import sys
import time
from pathlib import Path

import pytest
from uvicorn import _subprocess
from uvicorn.config import Config

from service.runtime.cpu_limits import WorkerPlan
from service.server.workers.preload import can_fork, preload_app
from service.server.workers.supervisor import fork_workers
from service.settings import Settings

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are forked on Linux alone")


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_subprocess, "spawn", _subprocess.spawn)  # put back afterwards
    fork_workers()


def _sleep(sockets: list[object]) -> None:
    del sockets
    time.sleep(60)


@pytest.mark.usefixtures("forking")
def test_an_order_to_stop_reaches_a_worker_that_was_born_a_moment_ago() -> None:
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    try:
        worker = _subprocess.get_subprocess(Config("no:app"), _sleep, [])
        worker.start()
        worker.terminate()
        worker.join(30)
        assert worker.exitcode == -signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)
        assert noted == [signal.SIGTERM]  # the process above still has its own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_was_loaded_before_the_fork_serves_at_once(store: Path) -> None:
    create = preload_app(Settings(store=store), WorkerPlan(workers=2, threads=1))
    assert "service.app" in sys.modules
    shelf = create().state.app_state.registry.catalog
    assert shelf.complete
    assert sorted(shelf.served) == ["all-paint", "blur", "colour-same", "paint"]
