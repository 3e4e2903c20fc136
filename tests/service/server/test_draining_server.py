"""Connections that are accepted while the server shuts down."""

import asyncio
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from service.server import protocol
from service.server.protocol import ConnectionLimits, protocol_factory
from service.server.workers.draining_server import (
    DrainingServer,
    DrainingState,
    _stop_queueing,
)
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(
    header_timeout_s=10, max_header_bytes=10_000, write_timeout_s=10, max_connections=100
)


def _config() -> uvicorn.Config:
    config = uvicorn.Config(
        PlainTextResponse("ok"),
        host="127.0.0.1",
        port=0,
        http=protocol_factory(LIMITS),  # type: ignore[arg-type]  # a factory is all it calls
        lifespan="off",
        log_config=None,
    )
    config.load()
    return config


@asynccontextmanager
async def _connection_while_draining() -> AsyncIterator[
    tuple[asyncio.StreamReader, asyncio.StreamWriter]
]:
    config, state = _config(), DrainingState()
    state.draining = True
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
            config=config, server_state=state, app_state={}, _loop=None
        ),
        "127.0.0.1",
        0,
    )
    async with server, asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process stand still, beside other work, for longer than the usual second."""
    monkeypatch.setattr(protocol.http_protocol, "_DRAIN_GRACE_S", LIMIT_S)


@pytest.mark.usefixtures("long_grace")
async def test_connection_accepted_during_shutdown_serves_one_request_and_closes() -> None:
    async with _connection_while_draining() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        response = await reader.read()
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in response


async def test_silent_connection_accepted_during_shutdown_is_closed() -> None:
    async with _connection_while_draining() as (reader, _):
        assert await reader.read() == b""


async def test_shutdown_marks_the_state_that_connections_share() -> None:
    server = DrainingServer(_config())
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    assert not server.server_state.draining
    server.should_exit = True
    await serving
    assert server.server_state.draining


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signal_before_the_server_listens_ends_the_process_at_once(signal_number: int) -> None:
    # The application's startup waits for a thread that never ends.
    program = """
import asyncio, threading, uvicorn
from service.server.workers.draining_server import DrainingServer
async def app(scope, receive, send):
    print("starting", flush=True)
    await asyncio.to_thread(threading.Event().wait)
DrainingServer(uvicorn.Config(app, port=0, log_config=None)).run()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"starting\n"
        process.send_signal(signal_number)
        assert process.wait(LIMIT_S) == 0


@pytest.mark.usefixtures("long_grace")
async def test_connections_in_the_kernels_queue_at_shutdown_are_served() -> None:
    server = DrainingServer(_config())
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    address = server.servers[0].sockets[0].getsockname()
    # The event loop does not run meanwhile, so nothing accepts them.
    clients = [socket.create_connection(address, timeout=LIMIT_S) for _ in range(40)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    server.should_exit = True
    await serving
    for client in clients:
        with client:
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems ignore a backlog of 0")
def test_connection_attempts_are_dropped_while_others_wait_to_be_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as late:
        late.setblocking(False)
        with socket.create_connection(listener.getsockname()):
            _stop_queueing(listener.fileno())
            late.connect_ex(listener.getsockname())
            _, connected, _ = select.select([], [late], [], 0)
            assert not connected
