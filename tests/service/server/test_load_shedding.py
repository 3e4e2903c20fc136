"""A full queue refuses at the door: what is said there, to whom, and what becomes of the rest."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.scheduling.admission import AdmissionController
from service.server.load_shedding import LoadShedder, Rejection
from service.server.load_shedding.resume_pacer import RESUME_INTERVAL_S
from service.server.protocol import ConnectionLimits, LimitedHttpProtocol
from tests.fakes.image_models import (
    MeanColourClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import get_app, get_app_state, running_app

pytestmark = pytest.mark.anyio

PICTURE = encode_png(solid_image(20, 30, (255, 0, 0)))
BOUNDS = ConnectionLimits(
    header_timeout_s=10, max_header_bytes=10_000, write_timeout_s=10, max_connections=100
)
ASK = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    publish_image_model(folder, "paint", MeanColourClassifier())
    publish_text_model(folder, "alphabet", AlphabetModel())
    return folder


@pytest.fixture(scope="module")
async def client(shelf: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(shelf, queue_size=2, max_concurrent_generations=1) as client:
        yield client


def _gates(client: httpx.AsyncClient) -> tuple[AdmissionController, AdmissionController]:
    return get_app_state(client).pool.admission, get_app_state(client).scheduler.admission


@contextmanager
def _full(*gates: AdmissionController, room: int = 0) -> Iterator[None]:
    tickets = [gate.admit(gate.now()) for gate in gates for _ in range(gate.room - room)]
    try:
        yield
    finally:
        for ticket in tickets:
            ticket.release()


@asynccontextmanager
async def _listening(
    client: httpx.AsyncClient, **settings: Any
) -> AsyncIterator[tuple[int, LoadShedder]]:
    """Our own connections in front of the application, on a socket."""
    config = uvicorn.Config(
        get_app(client), lifespan="off", log_config=None, access_log=False, **settings
    )
    config.load()
    door = LoadShedder(get_app_state(client), get_app(client).routes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: LimitedHttpProtocol(
            config,
            ServerState(),
            {"load_shedder": door},
            loop,
            limits=BOUNDS,
        ),
        "127.0.0.1",
        0,
    )
    async with server:
        yield server.sockets[0].getsockname()[1], door


class _Spoken:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def statuses(self, count: int) -> list[int]:
        return [(await self.answer())[0] for _ in range(count)]


@asynccontextmanager
async def _speaking(client: httpx.AsyncClient) -> AsyncIterator[_Spoken]:
    async with _listening(client) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(20):
                yield _Spoken(reader, writer)
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
async def test_it_says_what_the_application_would_say(client: httpx.AsyncClient, path: str) -> None:
    mine = {"X-Request-ID": "mine"}
    async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
        with _full(*_gates(client)):
            slow = await client.post(path, headers=mine)
            quick = await plain.post(f"http://127.0.0.1:{port}{path}", headers=mine)
    assert (
        (slow.status_code, slow.json()) == (quick.status_code, quick.json()) == (503, slow.json())
    )
    assert slow.content == quick.content
    assert dict(slow.headers) == dict(quick.headers)


async def test_every_route_that_refuses_when_full_is_known_at_the_door(
    client: httpx.AsyncClient,
) -> None:
    door = LoadShedder(get_app_state(client), get_app(client).routes)
    known: set[str] = set()
    unknown: set[str] = set()
    with _full(*_gates(client)):
        for template, operations in get_app(client).openapi()["paths"].items():
            path = template.replace("{name}", "paint").replace("{model}", "paint")
            path = path.replace("{version}", "1").replace("{layer}", "dense")
            for method in operations:
                answer = await client.request(method, path)
                full = answer.status_code == 503 and "all places are taken" in answer.text
                refused = door.check_request(_scope(method.upper(), path)) is not None
                assert full or not refused, f"{method} {path}"
                (known if refused else unknown).add(template) if full else None
    assert {"/v1/classify", "/v1/text", "/v2/models/{model}/infer"} <= known
    # A picture of filters is drawn once in a while; nobody floods a service with that alone.
    assert all("/filters" in template for template in unknown), unknown


async def test_what_needs_no_place_is_answered(client: httpx.AsyncClient) -> None:
    with _full(*_gates(client)):
        async with _speaking(client) as spoken:
            for path in (b"/livez", b"/readyz", b"/metrics", b"/docs", b"/v1/models", b"/"):
                spoken.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                assert (await spoken.statuses(1)) == [200], path


async def test_a_full_queue_of_pictures_refuses_no_text(client: httpx.AsyncClient) -> None:
    pictures, texts = _gates(client)
    door = LoadShedder(get_app_state(client), get_app(client).routes)
    with _full(pictures):
        assert door.check_request(_scope("POST", "/v1/classify"))
        assert door.check_request(_scope("POST", "/v2/models/paint/infer"))
        assert door.check_request(_scope("POST", "/v1/text")) is None
        assert door.check_request(_scope("POST", "/v2/models/alphabet/infer")) is None
        assert (
            door.check_request(_scope("POST", "/v2/models/nobody/infer")) is None
        )  # that is a 404
    assert texts.room > 0


async def test_heads_that_come_together_are_let_in_as_there_are_places(
    client: httpx.AsyncClient,
) -> None:
    pictures, _ = _gates(client)
    door = LoadShedder(get_app_state(client), get_app(client).routes)
    with _full(pictures):
        assert door.check_request(_scope("POST", "/v1/classify"))
    with _full(pictures, room=2):
        answers = [door.check_request(_scope("POST", "/v1/classify")) for _ in range(5)]
        assert [answer is None for answer in answers] == [True, True, False, False, False]
        await asyncio.sleep(0)  # by then those two have taken their places, or did not want them
        assert door.check_request(_scope("POST", "/v1/classify")) is None


async def test_what_has_waited_for_its_turn_leaves_the_queues_end_to_others(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, _ = _gates(client)
    door, ask = LoadShedder(get_app_state(client), get_app(client).routes), ASK % (3, b"") + b"abc"
    with _full(pictures):
        assert door.check_raw(ask, "http")
    taken = pictures.capacity - pictures.begun_within(RESUME_INTERVAL_S)
    assert taken == 0  # of three places, all are free before the next turn
    monkeypatch.setattr(pictures, "begun_within", lambda _: 1)  # as if it were slow
    with _full(pictures, room=2):
        assert door.check_raw(ask, "http", waited=True)
        assert door.check_request(_scope("POST", "/v1/classify"), waited=True)
        assert door.check_raw(ask, "http") is None
        assert door.check_request(_scope("POST", "/v1/classify")) is None
    await asyncio.sleep(0)
    assert door.check_request(_scope("POST", "/v1/classify"), waited=True) is None  # it is empty


async def test_a_glance_lets_nobody_in_and_refuses_as_a_look_does(
    client: httpx.AsyncClient,
) -> None:
    pictures, _ = _gates(client)
    door, ask = LoadShedder(get_app_state(client), get_app(client).routes), ASK % (3, b"") + b"abc"
    assert door.check_raw(ask, "http") is None  # there is room
    with _full(pictures):
        before = pictures.counters.rejected
        glanced, looked = (
            door.check_raw(ask, "http"),
            door.check_request(_scope("POST", "/v1/classify")),
        )
        assert pictures.counters.rejected == before + 2
        assert glanced
        assert looked
        assert _less_its_id(glanced) == _less_its_id(looked)
        assert door.check_raw(ask + ask, "http") is None  # two: the parser's
        assert door.check_raw(LIVE, "http") is None
    with _full(pictures, room=1):
        assert door.check_raw(ask, "http") is None
        assert door.check_raw(ask, "http") is None  # a place is taken when it is looked at
        assert door.check_request(_scope("POST", "/v1/classify")) is None
        assert door.check_raw(ask, "http")


def _less_its_id(refusal: Rejection) -> list[bytes]:
    return [re.sub(rb"[0-9a-f]{32}", b"", part) for part in refusal]


async def test_a_connection_on_which_nothing_is_parsed_is_idle_after_its_last_refusal(
    client: httpx.AsyncClient,
) -> None:
    ask = ASK % (3, b"") + b"abc"
    async with _listening(client, timeout_keep_alive=1) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        spoken = _Spoken(reader, writer)
        with _full(*_gates(client)):
            start = time.monotonic()
            async with asyncio.timeout(20):
                while time.monotonic() - start < 1.5:  # longer than an idle connection lives
                    spoken.send(ask)
                    assert await spoken.statuses(1) == [503]
                last = time.monotonic()
                assert await reader.read() == b""
        writer.close()
    assert time.monotonic() - last > 0.8


async def test_the_body_that_still_comes_is_dropped_and_the_connection_goes_on(
    client: httpx.AsyncClient,
) -> None:
    async with _speaking(client) as spoken:
        with _full(*_gates(client)):
            spoken.send(ASK % (300_000, b"") + b"x" * 10)
            assert (await spoken.statuses(1)) == [503]
            spoken.send(b"y" * 299_990 + LIVE)
            assert (await spoken.statuses(1)) == [200]
        spoken.send(ASK % (len(PICTURE), b"") + PICTURE)
        assert (await spoken.statuses(1)) == [200]


async def test_requests_in_one_packet_are_answered_in_their_order(
    client: httpx.AsyncClient,
) -> None:
    ask = ASK % (3, b"") + b"abc"
    with _full(*_gates(client)):
        async with _speaking(client) as spoken:
            spoken.send(ask + LIVE + ask + ask + LIVE)
            assert (await spoken.statuses(5)) == [503, 200, 503, 503, 200]


async def test_who_waits_for_a_leave_to_send_is_told_no_and_the_connection_ends(
    client: httpx.AsyncClient,
) -> None:
    with _full(*_gates(client)):
        async with _speaking(client) as spoken:
            spoken.send(ASK % (1000, b"Expect: 100-continue\r\n"))
            status, headers, _ = await spoken.answer()
            assert (status, headers["connection"]) == (503, "close")
            assert await spoken.reader.read() == b""


async def test_a_connection_that_is_to_be_closed_is(client: httpx.AsyncClient) -> None:
    with _full(*_gates(client)):
        async with _speaking(client) as spoken:
            spoken.send(ASK % (3, b"Connection: close\r\n") + b"abc" + LIVE)
            status, headers, _ = await spoken.answer()
            assert (status, headers["connection"]) == (503, "close")
            assert await spoken.reader.read() == b""  # and what came behind it is not answered


async def test_it_is_counted_and_logged_with_how_many(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    pictures, _ = _gates(client)
    before, recorder = pictures.counters.rejected, get_app_state(client).recorder
    labels = {"route": "/v1/classify", "method": "POST", "status": "503"}
    counted = recorder.registry.get_sample_value("deepshelf_requests_total", labels) or 0
    with _full(pictures), caplog.at_level(logging.WARNING, logger="service"):
        door = LoadShedder(get_app_state(client), get_app(client).routes, report_s=0.01)
        for _ in range(3):
            assert door.check_request(_scope("POST", "/v1/classify"))
        await asyncio.sleep(0.1)
    assert pictures.counters.rejected == before + 3
    assert recorder.registry.get_sample_value("deepshelf_requests_total", labels) == counted + 3
    # The application's own door may tell now of what it refused a second ago.
    told = [one for one in caplog.records if one.getMessage() == "requests shed"]
    assert {"requests": 3, "status": 503} in [one.__dict__["fields"] for one in told]


async def test_no_key_is_looked_at_and_no_limit_of_one_is_spent(shelf: Path) -> None:
    async with running_app(shelf, queue_size=0, admin_key="k" * 32, key_rate="1/hour") as client:
        mine = {"X-API-Key": "k" * 32}
        async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
            url = f"http://127.0.0.1:{port}/v1/classify"
            with _full(*_gates(client)):
                for _ in range(3):
                    assert (await plain.post(url, headers=mine)).status_code == 503
                assert (await plain.post(url)).status_code == 503
            answer = await plain.post(url, headers=mine, content=PICTURE)
            assert answer.status_code == 200, json.loads(answer.text)


async def test_a_page_of_another_origin_is_told_by_the_application(shelf: Path) -> None:
    origin = {"Origin": "https://there.example"}
    async with running_app(shelf, queue_size=0, cors_origins="https://there.example") as client:
        async with _listening(client) as (port, _), httpx.AsyncClient() as plain:
            with _full(*_gates(client)):
                answer = await plain.post(f"http://127.0.0.1:{port}/v1/classify", headers=origin)
        assert answer.status_code == 503
        assert answer.headers["access-control-allow-origin"] == "https://there.example"
