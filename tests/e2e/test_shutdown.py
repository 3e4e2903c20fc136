"""SIGTERM under load: every admitted request gets a response."""

import json
import signal
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.text_model import RandomLstmModel, publish_text_model
from tests.waiting import LIMIT_S, wait_until

RED = encode_png(solid_image(60, 40, (255, 0, 0)))
TEXT = {"prompt": "once", "max_chars": 3000, "seed": 1, "temperature": 1.5, "stream": True}


_IGNORES_SIGHUP = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # under nohup


@pytest.mark.parametrize(
    "stop",
    [
        signal.SIGTERM,
        pytest.param(
            signal.SIGHUP, marks=pytest.mark.skipif(_IGNORES_SIGHUP, reason="SIGHUP is ignored")
        ),
    ],
)
def test_requests_with_bodies_in_transfer_at_a_signal_complete(
    store: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    with running_server(store, tmp_path / "log", workers=1) as server, ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(8)]
        for connection in connections:
            server.send_head(connection, "/v1/classify", len(RED))
            connection.sendall(RED[:20])
        server.process.send_signal(stop)
        wait_until(lambda: _rejects(server))
        for connection in connections:
            connection.sendall(RED[20:])
        for connection in connections:
            response = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023
            assert response.startswith(b"HTTP/1.1 200 ")
            assert b'"label":"red"' in response
        assert server.process.wait(LIMIT_S) == 0


def test_running_streams_complete_at_sigterm_and_new_connections_fail(tmp_path: Path) -> None:
    publish_text_model(tmp_path / "store", "babble", RandomLstmModel())
    with (
        running_server(tmp_path / "store", tmp_path / "log", workers=2) as server,
        ExitStack() as stack,
    ):
        client = stack.enter_context(server.client())
        whole = client.post("/v1/text", json=TEXT).text
        streams = [
            stack.enter_context(client.stream("POST", "/v1/text", json=TEXT)) for _ in range(6)
        ]
        held = stack.enter_context(server.connect())
        server.send_head(held, "/v1/text", 16)
        held.sendall(b"{")
        server.terminate()
        wait_until(lambda: _rejects(server))
        written = [b"".join(stream.iter_bytes()).decode() for stream in streams]
        assert [_text(events) for events in written] == [_text(whole)] * 6
        held.sendall(b'"max_chars": 2}')
        response = b"".join(iter(lambda: held.recv(65536), b""))
        assert response.startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(LIMIT_S) == 0


def test_request_after_a_stream_on_the_same_connection_gets_a_response(tmp_path: Path) -> None:
    publish_text_model(tmp_path / "store", "babble", RandomLstmModel())
    with running_server(tmp_path / "store", tmp_path / "log", workers=1) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
        body = json.dumps(TEXT)
        connection.request("POST", "/v1/text", body, {"Content-Type": "application/json"})
        stream = connection.getresponse()  # its head says nothing of an end
        server.terminate()
        wait_until(lambda: _rejects(server))
        assert stream.read().endswith(b"data: [DONE]\n\n")
        connection.auto_open = 0  # the same connection, or none
        connection.request("GET", "/livez")
        response = connection.getresponse()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert server.process.wait(LIMIT_S) == 0


def _text(events: str) -> str:
    """Return a stream's text, joined over its events."""
    *message, last = events.strip().split("\n\n")
    assert last == "data: [DONE]"
    return "".join(json.loads(event.removeprefix("data: "))["text"] for event in message)


def _rejects(server: Server) -> bool:
    """Return True if the service accepts no connection, which means that it got the signal."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False
