"""Dead worker processes are replaced at once, with the current keys."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.keys import hash_key
from tests.e2e.server import Server, running_server

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="workers are found in /proc")

KEY, ADMIN_KEY = "a-client's-key-" * 3, "the-administrator's-key-" * 2


def _workers(server: Server) -> set[int]:
    """Return the process ids of the running workers."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    pids = {int(pid) for file in tasks.glob("*/children") for pid in file.read_text().split()}
    return {pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within a minute")


def _status(server: Server, path: str, **headers: str) -> int:
    """Return the status of a request on a new connection; 0 if there is no response."""
    try:
        return httpx.get(f"{server.url}{path}", headers=headers, timeout=20).status_code
    except httpx.TransportError:
        return 0


def test_workers_killed_during_a_health_check_are_replaced_at_once(
    store: Path, tmp_path: Path
) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        killed = _workers(server)
        assert len(killed) == 2
        for pid in killed:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.8)  # until the supervisor has sent a ping that gets no pong
        start = time.monotonic()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        _until(lambda: len(_workers(server) - killed) == 2)
        # Uvicorn alone waits for the response to its ping, for 30 s.
        assert time.monotonic() - start < 20
        _until(lambda: _status(server, "/readyz") == 200)


def test_replaced_worker_keeps_previous_keys_when_the_file_is_damaged(
    store: Path, tmp_path: Path
) -> None:
    keys_file = tmp_path / "keys"
    keys_file.write_text(f"alice sha256:{hash_key(KEY).hex()}\n")
    settings = {"workers": 2, "keys_file": keys_file, "admin_key": ADMIN_KEY}
    with running_server(store, tmp_path / "log", **settings) as server:
        before = _workers(server)
        keys_file.write_text(f"this is no key but {KEY}\n")
        _until(lambda: "keeping previous keys" in server.read_log())
        os.kill(min(before), signal.SIGKILL)
        _until(lambda: len(_workers(server) - before) == 1)
        server.process.send_signal(signal.SIGHUP)
        _until(lambda: len(_workers(server) - before) == 2 and not _workers(server) & before)
        for _ in range(8):
            assert _status(server, "/v1/models", **{"X-API-Key": KEY}) == 200
            assert _status(server, "/v1/models") == 401
        log = server.read_log()
        assert "Traceback" not in log
        assert KEY not in log
        assert ADMIN_KEY not in log


def test_replacement_loads_models_before_it_listens(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        # The first workers listen while they load models: wait until both have loaded them.
        _until(lambda: {_status(server, "/readyz") for _ in range(30)} == {200})
        before = _workers(server)
        os.kill(min(before), signal.SIGKILL)
        statuses = set[int]()
        while len(_workers(server) - before) == 0:
            statuses.add(_status(server, "/readyz"))
        for _ in range(40):
            statuses.add(_status(server, "/readyz"))
            time.sleep(0.05)
        assert 503 not in statuses


def test_workers_stop_when_their_supervisor_is_killed(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        workers = _workers(server)
        server.process.kill()
        server.process.wait()
        _until(lambda: not any(_is_running(pid) for pid in workers))


def _is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
