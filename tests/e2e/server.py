"""Run the service in a separate process, with a real socket and real signals."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class Server:
    """A running `python -m service`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    verify: ssl.SSLContext | None = None
    """Certificate of the server, if it uses TLS."""

    @property
    def url(self) -> str:
        return f"http{'s' if self.verify else ''}://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def read_log(self) -> str:
        return self.log.read_text()


@contextmanager
def running_server(store: Path, log: Path, **settings: object) -> Iterator[Server]:
    """Start the service, wait until it is ready, and stop it at the end."""
    with running_tls_server(store, log, None, settings) as server:
        yield server


@contextmanager
def running_tls_server(
    store: Path, log: Path, verify: ssl.SSLContext | None, settings: Mapping[str, object]
) -> Iterator[Server]:
    """Return a client, over TLS if there is a certificate to verify it with."""
    port = free_port()
    values = {"port": port, "store": store, "workers": 1, "log_format": "json", **settings}
    environment = {name: text for name, text in os.environ.items() if "DEEPSHELF" not in name}
    environment |= {f"DEEPSHELF_{name.upper()}": str(value) for name, value in values.items()}
    with log.open("wb") as file:
        process = subprocess.Popen(  # our own interpreter and module
            [sys.executable, "-m", "service"], env=environment, stdout=file, stderr=file
        )
    try:
        server = Server(process, port, log, verify)
        _wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: Server) -> None:
    for _ in range(600):
        if server.process.poll() is not None:
            raise AssertionError(f"it ended by itself:\n{server.read_log()}")
        try:
            response = httpx.get(f"{server.url}/readyz", verify=server.verify or True)
            if response.status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.05)
    raise AssertionError(f"it was not ready within 30 seconds:\n{server.read_log()}")
