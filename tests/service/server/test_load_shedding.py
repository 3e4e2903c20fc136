"""Requests that are rejected before the application: responses, routes, connections, counts."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.scheduling.admission import AdmissionController
from service.server.load_shedding import LoadShedder
from service.server.load_shedding.resume_pacer import RESUME_INTERVAL_S
from service.server.protocol import ConnectionLimits, LimitedHttpProtocol
from tests.fakes.image_models import (
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import get_app, get_app_state, running_app
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))
LIMITS = ConnectionLimits(
    header_timeout_s=10, max_header_bytes=10_000, write_timeout_s=10, max_connections=100
)
REQUEST = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_text_model(folder, "alphabet", AlphabetModel())
    return folder


@pytest.fixture(scope="module")
async def client(store: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store, queue_size=2, max_concurrent_generations=1) as client:
        yield client


def _admissions(client: httpx.AsyncClient) -> tuple[AdmissionController, AdmissionController]:
    return get_app_state(client).pool.admission, get_app_state(client).scheduler.admission


def _shedder(client: httpx.AsyncClient, report_s: float = 3600) -> LoadShedder:
    # By default after the test: tests share an event loop, and the report would be in another's.
    return LoadShedder(get_app_state(client), get_app(client).routes, report_s)


@contextmanager
def _full(*admissions: AdmissionController, free: int = 0) -> Iterator[None]:
    tickets = [
        admission.admit(admission.now())
        for admission in admissions
        for _ in range(admission.available - free)
    ]
    try:
        yield
    finally:
        for ticket in tickets:
            ticket.release()


@asynccontextmanager
async def _listening(
    client: httpx.AsyncClient, **settings: Any
) -> AsyncIterator[tuple[int, LoadShedder]]:
    """Serve the application through our protocol, on a socket."""
    config = uvicorn.Config(
        get_app(client), lifespan="off", log_config=None, access_log=False, **settings
    )
    config.load()
    shedder = _shedder(client)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: LimitedHttpProtocol(
            config,
            ServerState(),
            {"load_shedder": shedder},
            loop,
            limits=LIMITS,
        ),
        "127.0.0.1",
        0,
    )
    async with server:
        yield server.sockets[0].getsockname()[1], shedder


class _Client:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def statuses(self, count: int) -> list[int]:
        return [(await self.response())[0] for _ in range(count)]


@asynccontextmanager
async def _connected(client: httpx.AsyncClient) -> AsyncIterator[_Client]:
    async with _listening(client) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(LIMIT_S):
                yield _Client(reader, writer)
        finally:
            writer.close()


def _scope(method: str, path: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Any:
    return {
        "type": "http", "method": method, "path": path, "scheme": "http", "root_path": "",
        "headers": [*headers],
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/v1/classify",
        "/v1/text",
        "/openai/v1/completions",
        "/v2/models/paint/infer",
        "/v2/models/alphabet/versions/1/infer",
    ],
)
async def test_rejection_equals_the_response_of_the_application(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = {"X-Request-ID": "own"}
    async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
        with _full(*_admissions(client)):
            from_application = await client.post(path, headers=headers)
            from_shedder = await plain.post(f"http://127.0.0.1:{port}{path}", headers=headers)
    assert (
        (from_application.status_code, from_application.json())
        == (from_shedder.status_code, from_shedder.json())
        == (503, from_application.json())
    )
    assert from_application.content == from_shedder.content
    assert dict(from_application.headers) == dict(from_shedder.headers)


async def test_every_route_that_rejects_when_full_is_marked_as_queued(
    client: httpx.AsyncClient,
) -> None:
    shedder = _shedder(client)
    marked: set[str] = set()
    unmarked: set[str] = set()
    with _full(*_admissions(client)):
        for template, operations in get_app(client).openapi()["paths"].items():
            path = template.replace("{name}", "paint").replace("{model}", "paint")
            path = path.replace("{version}", "1").replace("{layer}", "dense")
            for method in operations:
                response = await client.request(method, path)
                full = response.status_code == 503 and "the queue is full" in response.text
                rejected = shedder.check_request(_scope(method.upper(), path)) is not None
                assert full or not rejected, f"{method} {path}"
                (marked if rejected else unmarked).add(template) if full else None
    assert {"/v1/classify", "/v1/text", "/v2/models/{model}/infer"} <= marked
    # Images of filters are requested rarely, never in a flood.
    assert all("/filters" in template for template in unmarked), unmarked


async def test_routes_without_a_queue_respond_while_queues_are_full(
    client: httpx.AsyncClient,
) -> None:
    with _full(*_admissions(client)):
        async with _connected(client) as peer:
            for path in (b"/livez", b"/readyz", b"/metrics", b"/docs", b"/v1/models", b"/"):
                peer.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                assert (await peer.statuses(1)) == [200], path


async def test_full_image_queue_rejects_no_text_request(client: httpx.AsyncClient) -> None:
    images, texts = _admissions(client)
    shedder = _shedder(client)
    with _full(images):
        assert shedder.check_request(_scope("POST", "/v1/classify"))
        assert shedder.check_request(_scope("POST", "/v2/models/paint/infer"))
        assert shedder.check_request(_scope("POST", "/v1/text")) is None
        assert shedder.check_request(_scope("POST", "/v2/models/alphabet/infer")) is None
        assert (
            shedder.check_request(_scope("POST", "/v2/models/nobody/infer")) is None
        )  # that is a 404
    assert texts.available > 0


async def test_requests_of_one_loop_turn_are_admitted_up_to_the_capacity(
    client: httpx.AsyncClient,
) -> None:
    images, _ = _admissions(client)
    shedder = _shedder(client)
    with _full(images):
        assert shedder.check_request(_scope("POST", "/v1/classify"))
    with _full(images, free=2):
        responses = [shedder.check_request(_scope("POST", "/v1/classify")) for _ in range(5)]
        assert [response is None for response in responses] == [True, True, False, False, False]
        await asyncio.sleep(0)  # by then those two have taken their places, or did not want them
        assert shedder.check_request(_scope("POST", "/v1/classify")) is None


async def test_resumed_connections_leave_the_tail_of_the_queue_to_new_requests(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, _ = _admissions(client)
    shedder, scope = _shedder(client), _scope("POST", "/v1/classify")
    with _full(images):
        assert shedder.check_request(scope)
    started = images.expected_starts_within(RESUME_INTERVAL_S)
    assert started == images.capacity  # all three requests of a full queue start in the interval
    monkeypatch.setattr(images, "expected_starts_within", lambda _: 1)  # as if requests took long
    with _full(images, free=2):
        assert shedder.check_request(scope, waited=True)
        assert shedder.check_request(scope) is None
    await asyncio.sleep(0)
    assert shedder.check_request(scope, waited=True) is None  # the queue is empty


async def test_body_of_a_rejected_request_is_dropped_and_the_connection_stays_usable(
    client: httpx.AsyncClient,
) -> None:
    async with _connected(client) as peer:
        with _full(*_admissions(client)):
            peer.send(REQUEST % (300_000, b"") + b"x" * 10)
            assert (await peer.statuses(1)) == [503]
            peer.send(b"y" * 299_990 + LIVE)
            assert (await peer.statuses(1)) == [200]
        peer.send(REQUEST % (len(IMAGE), b"") + IMAGE)
        assert (await peer.statuses(1)) == [200]


async def test_pipelined_requests_get_responses_in_order(
    client: httpx.AsyncClient,
) -> None:
    request = REQUEST % (3, b"") + b"abc"
    with _full(*_admissions(client)):
        async with _connected(client) as peer:
            peer.send(request + LIVE + request + request + LIVE)
            assert (await peer.statuses(5)) == [503, 200, 503, 503, 200]


async def test_expect_100_continue_is_rejected_and_the_connection_closes(
    client: httpx.AsyncClient,
) -> None:
    with _full(*_admissions(client)):
        async with _connected(client) as peer:
            peer.send(REQUEST % (1000, b"Expect: 100-continue\r\n"))
            status, headers, _ = await peer.response()
            assert (status, headers["connection"]) == (503, "close")
            assert await peer.reader.read() == b""


async def test_rejection_honours_connection_close(client: httpx.AsyncClient) -> None:
    with _full(*_admissions(client)):
        async with _connected(client) as peer:
            peer.send(REQUEST % (3, b"Connection: close\r\n") + b"abc" + LIVE)
            status, headers, _ = await peer.response()
            assert (status, headers["connection"]) == (503, "close")
            assert await peer.reader.read() == b""  # and the request behind it gets no response


async def test_rejections_are_counted_and_logged_in_total(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    images, _ = _admissions(client)
    before, recorder = images.counters.rejected, get_app_state(client).recorder
    labels = {"route": "/v1/classify", "method": "POST", "status": "503"}
    counted = recorder.registry.get_sample_value("deepshelf_requests_total", labels) or 0
    with _full(images), caplog.at_level(logging.WARNING, logger="service"):
        shedder = _shedder(client, report_s=0.01)
        for _ in range(3):
            assert shedder.check_request(_scope("POST", "/v1/classify"))

        def reports() -> list[object]:
            # The application's own shedder may report now what it rejected a second ago.
            shed = [record for record in caplog.records if record.getMessage() == "requests shed"]
            return [record.__dict__["fields"] for record in shed]

        await until(lambda: {"requests": 3, "status": 503} in reports())
    assert images.counters.rejected == before + 3
    assert recorder.registry.get_sample_value("deepshelf_requests_total", labels) == counted + 3


async def test_rejection_checks_no_key_and_spends_no_rate_limit(store: Path) -> None:
    async with running_app(store, queue_size=0, admin_key="k" * 32, key_rate="1/hour") as client:
        headers = {"X-API-Key": "k" * 32}
        async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
            url = f"http://127.0.0.1:{port}/v1/classify"
            with _full(*_admissions(client)):
                for _ in range(3):
                    assert (await plain.post(url, headers=headers)).status_code == 503
                assert (await plain.post(url)).status_code == 503
            response = await plain.post(url, headers=headers, content=IMAGE)
            assert response.status_code == 200, json.loads(response.text)


async def test_cross_origin_request_is_rejected_by_the_application_with_cors_headers(
    store: Path,
) -> None:
    origin = {"Origin": "https://there.example"}
    async with running_app(store, queue_size=0, cors_origins="https://there.example") as client:
        async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
            with _full(*_admissions(client)):
                response = await plain.post(f"http://127.0.0.1:{port}/v1/classify", headers=origin)
        assert response.status_code == 503
        assert response.headers["access-control-allow-origin"] == "https://there.example"
