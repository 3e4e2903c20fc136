import asyncio
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import uvloop
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import Message

from service.middleware.request_log import RequestLogMiddleware
from service.observability.logging_config import JsonFormatter, TextFormatter
from service.observability.request_log import CompletedRequest
from service.routes.http.problems import EXPECTED_ERRORS, handle_error
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="service"):
        yield caplog


def _request_event(events: pytest.LogCaptureFixture) -> dict[str, object]:
    (record,) = [record for record in events.records if record.name == "service.access"]
    event: dict[str, object] = json.loads(JsonFormatter().format(record))
    return event


async def test_request_is_one_log_event(
    client: httpx.AsyncClient, events: pytest.LogCaptureFixture
) -> None:
    response = await client.post("/v1/classify", content=IMAGE)
    event = _request_event(events)
    assert event.pop("time")
    milliseconds = event.pop("ms")
    assert isinstance(milliseconds, float)
    assert milliseconds > 0
    assert event == {
        "level": "info",
        "logger": "service.access",
        "event": "request",
        "request_id": response.headers["x-request-id"],
        "method": "POST",
        "route": "/v1/classify",
        "status": 200,
        "bytes_in": len(IMAGE),
        "bytes_out": len(response.content),
        "model": "paint",
        "version": 2,
        "images": 1,
    }


async def test_the_event_groups_by_route_not_by_path(
    client: httpx.AsyncClient, events: pytest.LogCaptureFixture
) -> None:
    await client.get("/v1/models/paint")
    assert _request_event(events)["route"] == "/v1/models/{name}"


async def test_payloads_are_not_logged(
    client: httpx.AsyncClient, events: pytest.LogCaptureFixture
) -> None:
    secret = "correct-horse-battery-staple"  # noqa: S105
    await client.post("/v1/classify", content=secret.encode())
    await client.post("/v1/classify", files={"image": secret.encode()}, data={"top_k": secret})
    await client.post(f"/v1/classify?model={secret}", content=IMAGE)
    await client.get(f"/{secret}")
    formatters = (JsonFormatter(), TextFormatter())
    lines = [formatter.format(record) for record in events.records for formatter in formatters]
    assert lines
    assert not [line for line in lines if secret in line]


async def test_valid_request_id_is_echoed_and_logged(
    client: httpx.AsyncClient, events: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/livez", headers={"x-request-id": "trace-42/a"})
    assert response.headers["x-request-id"] == "trace-42/a"
    assert _request_event(events)["request_id"] == "trace-42/a"


@pytest.mark.parametrize("hostile", ["", "two words", "x" * 129, "a\tb", 'quote"', "ümlaut"])
async def test_invalid_request_id_is_replaced(client: httpx.AsyncClient, hostile: str) -> None:
    response = await client.get("/livez", headers=[(b"x-request-id", hostile.encode())])
    assert len(response.headers["x-request-id"]) == 32


async def test_two_requests_get_two_ids(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/livez")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


def _broken_app() -> FastAPI:
    app = FastAPI()

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    for kind in EXPECTED_ERRORS:
        app.add_exception_handler(kind, handle_error)
    app.add_middleware(RequestLogMiddleware)
    return app


async def test_an_unexpected_error_leaks_nothing_and_is_logged_with_its_traceback(
    events: pytest.LogCaptureFixture,
) -> None:
    transport = httpx.ASGITransport(_broken_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://deepshelf") as client:
        response = await client.get("/broken")
    assert_problem(response, 500)
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text
    (logged,) = [
        record for record in events.records if record.name == "service.routes.http.problems"
    ]
    assert "hunter2" in JsonFormatter().format(logged)
    assert _request_event(events)["status"] == 500


async def test_unknown_path_is_404_and_wrong_method_is_405(
    client: httpx.AsyncClient,
) -> None:
    assert "/v1/clasify" in str(assert_problem(await client.get("/v1/clasify"), 404)["detail"])
    response = await client.get("/v1/classify")
    assert assert_problem(response, 405)["accepted"] == ["POST"]
    assert response.headers["allow"] == "POST"


async def _respond_on_a_closed_connection(completed: list[CompletedRequest]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(asyncio.Protocol, *address)
    transport.abort()
    await asyncio.sleep(0.01)

    async def send(_: Message) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    app = RequestLogMiddleware(PlainTextResponse("late"), observers=[completed.append])
    await app(scope, receive, send)
    server.close()


def test_a_response_to_a_connection_that_was_reset_is_a_client_that_left() -> None:
    completed: list[CompletedRequest] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_respond_on_a_closed_connection(completed))
    assert [request.cancelled for request in completed] == [True]
