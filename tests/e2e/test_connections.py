"""Slow, silent and endless clients are disconnected, and other clients are not affected."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import encode_png, solid_image
from tests.waiting import LIMIT_S, wait_until

RED = encode_png(solid_image(60, 40, (255, 0, 0)))
HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def hasty(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server whose clients run out of time."""
    names = ("header_timeout_s", "body_timeout_s", "keep_alive_s", "write_timeout_s")
    log = tmp_path_factory.mktemp("log") / "log"
    with running_server(store, log, **dict.fromkeys(names, 1)) as server:
        yield server


@pytest.fixture(scope="module")
def patient(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server whose clients meet every other limit before one of time."""
    limits = dict.fromkeys(("header_timeout_s", "body_timeout_s", "keep_alive_s"), 2 * LIMIT_S)
    limits |= {"max_header_bytes": 2000, "max_connections": 12}
    with running_server(store, tmp_path_factory.mktemp("log") / "log", **limits) as server:
        yield server


def _trickle(connection: socket.socket, piece: bytes) -> bytes:
    """Send `piece` repeatedly; return what was received until the connection ended."""
    response = b""
    connection.settimeout(0.05)
    for _ in range(20 * LIMIT_S):
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
    for line in server.request("GET", "/metrics").text.splitlines():
        if line.startswith(f'deepshelf_connections_dropped_total{{reason="{reason}"}}'):
            return float(line.split()[1])
    return 0


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
    hasty: Server, patient: Server, begin: bytes, piece: bytes, status: bytes, reason: str
) -> None:
    server = hasty if reason.endswith("-time") else patient
    before = _count(server, reason)
    with server.connect() as connection:
        connection.sendall(begin)
        response = _trickle(connection, piece)
    assert response[:12] == (b"HTTP/1.1 " + status if status else b"")
    wait_until(lambda: _count(server, reason) == before + 1)


def test_silent_connection_is_closed_while_others_get_responses(hasty: Server) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(hasty.connect()) for _ in range(6)]
        response = hasty.request("POST", "/v1/classify", RED)
        assert response.json()["results"][0]["predictions"][0]["label"] == "red"
        assert [_all(connection) for connection in silent] == [b""] * 6


def test_connection_beyond_the_limit_gets_503(patient: Server) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(patient.connect()) for _ in range(13)]
        response = _all(connections[-1])
    assert response.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in response
    wait_until(lambda: _count(patient, "full") >= 1)


@pytest.mark.parametrize("bytes_per_look", [0, 1])
def test_response_that_is_hardly_read_is_aborted(hasty: Server, bytes_per_look: int) -> None:
    before = _count(hasty, "stalled")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty.port))
        # More than the kernel's buffers hold.
        asset = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(asset * 12)
        connection.settimeout(LIMIT_S)

        def is_aborted() -> bool:
            connection.recv(bytes_per_look)
            return _count(hasty, "stalled") == before + 1

        wait_until(is_aborted)
        with pytest.raises(ConnectionResetError):  # and the kernel keeps nothing of it
            _take_all(connection)
