"""Run the service in a separate process, with a real socket and real signals."""

import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.waiting import LIMIT_S, wait_until

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Server:
    """A running `python -m service`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    workers: int = 1
    verify: ssl.SSLContext | None = None
    """Certificate of the server, if it uses TLS."""

    @property
    def url(self) -> str:
        return f"http{'s' if self.verify else ''}://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)

    def send_head(self, connection: socket.socket, path: str, body_bytes: int) -> None:
        """Send a request without its body, and wait until the service reads that."""
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {body_bytes}\r\n"
            "Connection: close\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(len(_CONTINUE)) == _CONTINUE

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        verify = self.verify or True
        return httpx.Client(base_url=self.url, headers=headers, timeout=LIMIT_S, verify=verify)

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] = b""
    ) -> httpx.Response:
        """Send a request on a connection of its own."""
        with self.client() as client:
            return client.request(method, path, content=body)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def read_log(self) -> str:
        return self.log.read_text()


@contextmanager
def running_server(store: Path, log: Path, **settings: object) -> Iterator[Server]:
    """Start the service, wait until all its workers are ready, and stop it at the end."""
    with running_tls_server(store, log, None, settings) as server:
        yield server


@contextmanager
def running_tls_server(
    store: Path, log: Path, verify: ssl.SSLContext | None, settings: Mapping[str, object]
) -> Iterator[Server]:
    """Start the service as `running_server` does; `verify` has its certificate if it uses TLS."""
    port = free_port()
    values = {"port": port, "store": store, "workers": 1, "log_format": "json", **settings}
    environment = {name: text for name, text in os.environ.items() if "DEEPSHELF" not in name}
    environment |= {f"DEEPSHELF_{name.upper()}": str(value) for name, value in values.items()}
    with log.open("wb") as file:
        process = subprocess.Popen(  # our own interpreter and module
            [sys.executable, "-m", "service"], env=environment, stdout=file, stderr=file
        )
    workers = values["workers"]
    assert isinstance(workers, int)
    try:
        server = Server(process, port, log, workers, verify)
        wait_until(lambda: _is_ready(server), server.read_log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a free port outside the range from which the system gives clients theirs.

    The service binds it only seconds later; until then no connection must have taken it.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _is_ready(server: Server) -> bool:
    """Return True if every worker listens and has loaded its models."""
    if server.process.poll() is not None:
        raise AssertionError(f"it ended by itself:\n{server.read_log()}")
    if server.read_log().count("Uvicorn running on") < server.workers:
        return False
    # The kernel chooses a worker for each new connection: 30 miss none of a few.
    connections = 30 if server.workers > 1 else 1
    with server.client(headers={"connection": "close"}) as client:
        return all(client.get("/readyz").is_success for _ in range(connections))
