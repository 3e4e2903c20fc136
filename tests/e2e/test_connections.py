"""Slow, silent and endless clients are disconnected, and other clients are not affected."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import encode_png, solid_image

RED = encode_png(solid_image(60, 40, (255, 0, 0)))
HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    bounds = {
        "header_timeout_s": 0.4,
        "deadline_s": 0.4,
        "keep_alive_s": 1,
        "max_header_bytes": 2000,
    }
    limits = {"write_timeout_s": 0.4, "max_connections": 12, "store_poll_interval_s": 0}
    log = tmp_path_factory.mktemp("log") / "log"
    with running_server(store, log, **bounds, **limits) as server:
        yield server


def _trickle(connection: socket.socket, piece: bytes) -> bytes:
    """Send `piece` repeatedly; return what was received until the connection ended."""
    response = b""
    connection.settimeout(0.05)
    for _ in range(600):
        try:
            connection.sendall(piece)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return response
        if not part:
            return response
        response += part
    pytest.fail(f"it was never cut off; it said {response!r}")


def _take_all(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _all(connection: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return b""


def _count(server: Server, reason: str) -> float:
    for line in httpx.get(f"{server.url}/metrics").text.splitlines():
        if line.startswith(f'deepshelf_connections_dropped_total{{reason="{reason}"}}'):
            return float(line.split()[1])
    return 0


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 20 seconds")


@pytest.mark.parametrize(
    ("begin", "piece", "status", "reason"),
    [
        (b"GET /livez HTTP/1.1\r\n", b"a: b\r\n", b"408", "head-time"),
        (b"GET /livez?", b"a", b"408", "head-time"),
        (b"GET /livez HTTP/1.1\r\n", b"a: " + b"b" * 900 + b"\r\n", b"431", "head-size"),
        (b"GET /livez HTTP/1.1\r\n" + b"a:b\r\n" * 129 + b"\r\n", b"", b"431", "head-size"),
        (b"GET /livez?" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n", b"", b"431", "head-size"),
        (b"GET /livez?", b"a" * 900, b"431", "head-size"),
        (b"\x16\x03\x01", b"\0", b"400", "invalid"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 200, b"", b"200", "pipelined"),
        (CHUNKED + b"no size\r\n", b"", b"", "invalid"),
        (HEAD, b"x", b"504", "body-time"),
        (CHUNKED, b"1\r\nx\r\n", b"504", "body-time"),
        (HEAD.replace(b"POST /v1/classify", b"POST /v1/text"), b" ", b"504", "body-time"),
        (HEAD.replace(b"POST /v1/classify", b"POST /v2/repository/index"), b" ", b"504",
         "body-time"),
        (HEAD.replace(b"POST /v1/classify", b"GET /livez"), b"x", b"200", "body-time"),
    ],
)  # fmt: skip
def test_endless_request_is_disconnected(
    server: Server, begin: bytes, piece: bytes, status: bytes, reason: str
) -> None:
    before = _count(server, reason)
    with server.connect() as connection:
        connection.sendall(begin)
        response = _trickle(connection, piece)
    assert response[:12] == (b"HTTP/1.1 " + status if status else b"")
    _until(lambda: _count(server, reason) == before + 1)


def test_silent_connection_is_closed_while_others_get_responses(server: Server) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(6)]
        response = httpx.post(f"{server.url}/v1/classify", content=RED)
        assert response.json()["results"][0]["predictions"][0]["label"] == "red"
        assert [_all(connection) for connection in silent] == [b""] * 6


def test_connection_beyond_the_limit_gets_503(server: Server) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(13)]
        response = _all(connections[-1])
    assert response.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in response
    _until(lambda: _count(server, "full") >= 1)


@pytest.mark.parametrize("bytes_per_look", [0, 1])
def test_response_that_is_hardly_read_is_aborted(server: Server, bytes_per_look: int) -> None:
    before = _count(server, "stalled")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        # More than the kernel's buffers hold.
        asset = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(asset * 12)
        connection.settimeout(20)

        def is_aborted() -> bool:
            connection.recv(bytes_per_look)
            return _count(server, "stalled") == before + 1

        _until(is_aborted)
        with pytest.raises(ConnectionResetError):  # and the kernel keeps nothing of it
            _take_all(connection)
