"""Dead worker processes are replaced, with the current keys."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from service.keys import hash_key
from tests.e2e.server import Server, running_server
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="workers are found in /proc")

KEY, ADMIN_KEY = "a-client's-key-" * 3, "the-administrator's-key-" * 2


def _workers(server: Server) -> set[int]:
    """Return the process ids of the running workers."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    pids = {int(pid) for file in tasks.glob("*/children") for pid in _read(file).split()}
    return {pid for pid in pids if b"spawn_main" in _read(Path(f"/proc/{pid}/cmdline"))}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process has ended
        return b""


def _status(server: Server, path: str, **headers: str) -> int:
    """Return the status of a request on a new connection; 0 if there is no response."""
    try:
        with server.client(headers) as client:
            return client.get(path).status_code
    except httpx.TransportError:
        return 0


def test_workers_that_are_all_killed_are_replaced(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        killed = _workers(server)
        assert len(killed) == 2
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(_workers(server) - killed) == 2)
        wait_until(lambda: _status(server, "/readyz") == 200)


def test_replaced_worker_keeps_previous_keys_when_the_file_is_damaged(
    store: Path, tmp_path: Path
) -> None:
    keys_file = tmp_path / "keys"
    keys_file.write_text(f"alice sha256:{hash_key(KEY).hex()}\n")
    settings = {"workers": 2, "keys_file": keys_file, "admin_key": ADMIN_KEY}
    with running_server(store, tmp_path / "log", **settings) as server:
        before = _workers(server)
        keys_file.write_text(f"this is no key but {KEY}\n")
        wait_until(lambda: "keeping previous keys" in server.read_log())
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: server.read_log().count("Uvicorn running on") == 3)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(_workers(server) - before) == 2 and not _workers(server) & before)
        for _ in range(8):
            assert _status(server, "/v1/models", **{"X-API-Key": KEY}) == 200
            assert _status(server, "/v1/models") == 401
        log = server.read_log()
        assert "Traceback" not in log
        assert KEY not in log
        assert ADMIN_KEY not in log


def test_replacement_loads_models_before_it_listens(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        before = _workers(server)
        os.kill(min(before), signal.SIGKILL)
        statuses = set[int]()

        def listens() -> bool:
            statuses.update(_status(server, "/readyz") for _ in range(10))
            return server.read_log().count("Uvicorn running on") == 3

        wait_until(listens)
        listens()
        assert 503 not in statuses


def test_workers_stop_when_their_supervisor_is_killed(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2) as server:
        workers = _workers(server)
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(_is_running(pid) for pid in workers))


def _is_running(pid: int) -> bool:
    stat = _read(Path(f"/proc/{pid}/stat"))
    return stat != b"" and b" Z " not in stat
