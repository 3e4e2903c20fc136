"""SIGTERM in the middle of work: whoever was let in gets an answer."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.server import Server, running
from tests.shelf import png, solid

RED = png(solid(60, 40, (255, 0, 0)))
HEAD = (
    f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(RED)}\r\n"
    "Connection: close\r\n\r\n"
).encode()


def _until_stopping(server: Server) -> None:
    """Until it has seen the signal."""
    for _ in range(1200):
        if "Shutting down" in server.events():
            return
        time.sleep(0.05)
    pytest.fail("it does not stop")


def test_requests_whose_bodies_are_still_arriving_are_all_answered(
    store: Path, tmp_path: Path
) -> None:
    with running(store, tmp_path / "log", workers=1) as server, ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(8)]
        for connection in connections:
            connection.settimeout(60)
            connection.sendall(HEAD + RED[:20])
        time.sleep(0.5)  # until they have been taken, and not only queued by the kernel
        server.terminate()
        _until_stopping(server)
        for connection in connections:
            connection.sendall(RED[20:])
        for connection in connections:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b'"label":"red"' in answer
        assert server.process.wait(60) == 0
