"""Services under test: each runs in its own process on 127.0.0.1 and is stopped at the end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STARTUP_TIMEOUT_S = 120.0
_REQUIRED_SUCCESSES = 8
"""Consecutive probes that must succeed, each on a new connection, which any worker may accept."""


@dataclass(frozen=True)
class Server:
    """A service that is ready."""

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float
    """Seconds from the start of its process until it was ready."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def deepshelf_server(store: Path, **settings: object) -> Iterator[Server]:
    """Run `python -m service` with its defaults, except for `settings`."""
    port = free_port()
    values = {"port": port, "store": store, **settings}
    environment = {f"DEEPSHELF_{name.upper()}": str(value) for name, value in values.items()}
    with running_server([sys.executable, "-m", "service"], environment, port, "/readyz") as server:
        yield server


@contextmanager
def handwritten_server(folder: Path, *, workers: int, file: str = "model.onnx") -> Iterator[Server]:
    """Run `competitors/handwritten.py` for the model in `folder`."""
    with _uvicorn_server(
        "handwritten", {"PEER_MODEL": str(folder), "PEER_FILE": file}, workers
    ) as server:
        yield server


@contextmanager
def stepwise_server(folder: Path, *, workers: int) -> Iterator[Server]:
    """Run `competitors/stepwise.py` for the model in `folder`."""
    with _uvicorn_server("stepwise", {"PEER_MODEL": str(folder)}, workers) as server:
        yield server


@contextmanager
def _uvicorn_server(module: str, environment: Mapping[str, str], workers: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.competitors.{module}:app"]
    command += ["--port", str(port), "--workers", str(workers), "--no-access-log"]
    with running_server(command, environment, port, "/readyz") as server:
        yield server


@contextmanager
def running_server(
    command: Sequence[str], environment: Mapping[str, str], port: int, probe: str
) -> Iterator[Server]:
    """Start `command`, wait until GET `probe` returns 200, and stop it and its children at the end.

    Its output goes to `build/benchmarks/servers.log`.

    Raises:
        RuntimeError: it ended, or was not ready in two minutes.
    """
    log = Path("build/benchmarks/servers.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    # Let it write bytecode, as an installation has.
    excluded_prefixes = ("DEEPSHELF", "PYTHONDONTWRITEBYTECODE")
    inherited = {k: text for k, text in os.environ.items() if not k.startswith(excluded_prefixes)}
    with log.open("ab") as file:
        started_at = time.monotonic()
        process = subprocess.Popen(  # noqa: S603
            command, env={**inherited, **environment}, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}{probe}")
        yield Server(process, port, time.monotonic() - started_at)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):  # LitServe leaves its children behind
            os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline, succeeded = time.monotonic() + _STARTUP_TIMEOUT_S, 0
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}; see its log")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                succeeded += 1
        except OSError:  # not listening yet, or 503
            succeeded = 0
            time.sleep(0.01)
        if succeeded == _REQUIRED_SUCCESSES:
            return
    raise RuntimeError(f"{process.args!r} was not ready in {_STARTUP_TIMEOUT_S:g} s")
