"""Connections: what HTTP/1.1 forbids, `Upgrade`, pipelining clients that leave, slow readers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service.server.protocol import ConnectionLimits, LimitedHttpProtocol, protocol_factory
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(
    header_timeout_s=10, max_header_bytes=10_000, write_timeout_s=10, max_connections=100
)
HOST, CLOSE = b"Host: x\r\n", b"Connection: close\r\n\r\n"
CHUNKED = b"3\r\nabc\r\n0\r\n\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(body)(scope, receive, send)


@asynccontextmanager
async def _serving(app: ASGIApp) -> AsyncIterator[int]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    config.load()
    factory, loop = protocol_factory(LIMITS), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: factory(config, ServerState(), {}, loop), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with _serving(_echo) as port:
        yield port


async def _exchange(port: int, *packets: bytes) -> bytes:
    """Send each packet by itself; return all until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(LIMIT_S):
        for packet in packets:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0.001 if len(packets) > 1 else 0)
        received = await reader.read()
    writer.close()
    return received


def _post(fields: bytes, version: bytes = b"1.1", host: bytes = HOST) -> bytes:
    return b"POST / HTTP/" + version + b"\r\n" + host + fields + CLOSE


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        # Sections of RFC 9112. 3.2: one valid Host
        (_post(b"", host=b""), 400),
        (_post(b"", host=HOST * 2), 400),
        (_post(b"", host=b"Host: a b\r\n"), 400),
        (_post(b"", host=b"Host: a/b\r\n"), 400),
        (_post(b"", host=b"Host: a, b\r\n"), 400),
        (_post(b"", host=b"Host: user@a\r\n"), 400),
        (_post(b"", host=b"Host: [::1\r\n"), 400),
        (_post(b"", host=b"Host: a:b\r\n"), 400),
        # 6.1: codings that are not understood
        (_post(b"Transfer-Encoding: gzip, chunked\r\n") + CHUNKED, 501),
        (_post(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") + CHUNKED, 501),
        (_post(b"Transfer-Encoding: identity, chunked\r\n") + CHUNKED, 501),
        # 6.1: in HTTP/1.0; 6.3: chunked that is not the last, or not the only one, or with a length
        (_post(b"Transfer-Encoding: chunked\r\n", version=b"1.0") + CHUNKED, 400),
        (_post(b"Transfer-Encoding: gzip\r\n") + CHUNKED, 400),
        (_post(b"Transfer-Encoding: identity\r\n"), 400),
        (_post(b"Transfer-Encoding: xchunked\r\n") + CHUNKED, 400),
        (_post(b"Transfer-Encoding: chunked;q=1\r\n") + CHUNKED, 400),
        (_post(b"Transfer-Encoding:\r\n"), 400),
        (_post(b"Transfer-Encoding: chunked, gzip\r\n") + CHUNKED, 400),
        (_post(b"Transfer-Encoding: chunked, chunked\r\n") + CHUNKED, 400),
        (_post(b"Transfer-Encoding: chunked\r\n" * 2) + CHUNKED, 400),
        (_post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + CHUNKED, 400),
        (_post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + CHUNKED, 400),
        # 6.3: lengths that differ or are no number
        (_post(b"Content-Length: 3\r\nContent-Length: 4\r\n") + b"abc", 400),
        (_post(b"Content-Length: +3\r\n") + b"abc", 400),
        # 2.3: versions
        (_post(b"", version=b"2.0"), 505),
        (_post(b"", version=b"1.2"), 400),
        # 3.2.3: a target for proxies
        (b"CONNECT x:80 HTTP/1.1\r\n" + HOST + CLOSE, 400),
    ],
)
async def test_request_that_http_forbids_is_rejected_and_the_connection_closed(
    port: int, request_bytes: bytes, status: int
) -> None:
    received = await _exchange(port, request_bytes)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in received
    assert b"application/problem+json" in received


@pytest.mark.parametrize(
    "request_bytes",
    [
        _post(b"Content-Length: 3\r\n", host=b"Host:\r\n") + b"abc",
        _post(b"Content-Length: 3\r\n", host=b"Host: [::1]:8000\r\n") + b"abc",
        _post(b"Content-Length: 3\r\n", host=b"hOST:\tmy_host.example.:80 \r\n") + b"abc",
        _post(b"Content-Length: 3\r\n", host=b"Host: xn--hst-sna%C3%B6\r\n") + b"abc",
        _post(b"Content-Length: 3\r\n", host=b"", version=b"1.0") + b"abc",
        _post(b"Transfer-Encoding: Chunked\r\n") + CHUNKED,
        _post(b"Transfer-Encoding: , chunked\r\n") + CHUNKED,
    ],
)
async def test_unusual_request_that_http_allows_is_accepted(
    port: int, request_bytes: bytes
) -> None:
    received = await _exchange(port, request_bytes)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\nabc")


_UPGRADE = b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
"""As Java's client and curl --http2 send it."""


@pytest.mark.parametrize("packet_bytes", [1, 7, 64, 10_000])
@pytest.mark.parametrize(
    ("fields", "body"),
    [(b"Content-Length: 3\r\n", b"abc"), (b"Transfer-Encoding: chunked\r\n", CHUNKED), (b"", b"")],
)
async def test_upgrade_is_ignored_and_the_body_is_kept(
    port: int, fields: bytes, body: bytes, packet_bytes: int
) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\n" + _UPGRADE
    request = b"POST /%d HTTP/1.1\r\n" + HOST + upgrade + fields + b"\r\n" + body
    stream = b"".join(request % number for number in range(3)) + _post(b"")
    packets = [stream[at : at + packet_bytes] for at in range(0, len(stream), packet_bytes)]
    received = await _exchange(port, *packets)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 4
    bodies = [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"abc" if body else b""] * 3 + [b""]


async def test_request_behind_a_rejected_upgrade_is_not_answered(port: int) -> None:
    upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\n" + _UPGRADE + b"\r\n"
    received = await _exchange(port, upgrade + _post(b""))
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("waiting", [0, 1, 7])
@pytest.mark.parametrize("is_reset", [True, False])
async def test_client_that_pipelines_and_leaves_ends_the_running_request(
    waiting: int, is_reset: bool
) -> None:
    paths, left = list[str](), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        paths.append(scope["path"])
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with _serving(app) as port, asyncio.timeout(LIMIT_S):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /running HTTP/1.1\r\n" + HOST + b"\r\n")
        while not paths:
            await asyncio.sleep(0)
        writer.write((b"GET /waiting HTTP/1.1\r\n" + HOST + b"\r\n") * waiting)
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        await left.wait()
    assert paths == ["/running"]


async def test_response_in_place_of_100_continue_closes_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/read":
            await _echo(scope, receive, send)
        else:
            await Response("no", 403)(scope, receive, send)

    expecting = (
        b"POST /%b HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    async with _serving(app) as port:
        # The next bytes may be the body or another request.
        refused = await _exchange(port, expecting % b"", b"GET /read HTTP/1.1\r\n" + HOST + CLOSE)
        continued = await _exchange(port, expecting % b"read", b"abc" + _post(b""))
    assert refused.count(b"HTTP/1.1 ") == 1
    assert refused.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nconnection: close\r\n" in refused
    assert continued.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert continued.count(b"HTTP/1.1 ") == 3


class _StalledTransport:
    """A transport with an unsent response of 100,000 bytes, over what the kernel holds."""

    unsent_bytes = 100_000

    def __init__(self, server_end: socket.socket) -> None:
        self._socket = server_end
        self.is_aborted = False

    def get_extra_info(self, name: str) -> object:
        return self._socket if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture
def server_and_client() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of a connection, with more sent than the client can buffer."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT_S)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        server.setblocking(False)
        with server:
            try:
                while True:
                    server.send(b"x" * 65536)
            except BlockingIOError:
                yield server, client


def _protocol(transport: _StalledTransport, timers: list[Callable[[], None]]) -> Any:
    def call_later(_: float, callback: Callable[..., None], *args: object) -> SimpleNamespace:
        timers.append(lambda: callback(*args))
        return SimpleNamespace(cancel=lambda: None)

    config = uvicorn.Config(_echo, lifespan="off", log_config=None, access_log=False)
    loop = cast("asyncio.AbstractEventLoop", SimpleNamespace(call_later=call_later))
    protocol = LimitedHttpProtocol(config, ServerState(), {}, loop, limits=LIMITS)
    protocol.transport = cast("asyncio.Transport", transport)
    protocol.flow = cast("Any", SimpleNamespace(pause_writing=lambda: None))
    return protocol


@pytest.mark.parametrize(("bytes_per_timeout", "is_aborted"), [(2_000, True), (400_000, False)])
async def test_reader_below_1_kib_a_second_is_disconnected_and_a_faster_one_is_not(
    server_and_client: tuple[socket.socket, socket.socket],
    bytes_per_timeout: int,
    is_aborted: bool,
) -> None:
    server, client = server_and_client
    transport, timers = _StalledTransport(server), list[Callable[[], None]]()
    _protocol(transport, timers).pause_writing()
    for _ in range(3):
        left = bytes_per_timeout
        while left > 0:
            left -= len(client.recv(min(left, 2_000)))
        timers.pop()()
        # What the client has read is seen though the kernel has taken nothing more.
        if is_aborted:
            break
    assert transport.is_aborted is is_aborted
    assert len(timers) == (0 if is_aborted else 1)
