"""The real service in a process of its own, on a real socket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

__all__ = ["free_port", "live_service"]

ROOT = Path(__file__).parent.parent


@contextmanager
def live_service(store: Path, *options: str) -> Iterator[str]:
    """`python -m service` with `store`, ready; gives its URL, and ends it with SIGTERM.

    `options` are more of its command line's.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "service", "--port", str(port), "--store", str(store)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DEEPSHELF_")}
    process = subprocess.Popen([*command, "--workers", "1", *options], cwd=ROOT, env=environment)
    try:
        _wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        assert process.wait(30) == 0


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, f"the service ended with {process.returncode}"
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} was not ready within a minute")
