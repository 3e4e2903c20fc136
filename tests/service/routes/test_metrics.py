import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import AsgiRequest, get_app_state, occupied_thread, running_app
from tests.waiting import until

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def read(client: httpx.AsyncClient) -> Values:
    response = await client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(response.text)
        for sample in family.samples
    }


def value(values: Values, name: str, **labels: str) -> float:
    return values.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture
async def own(store: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store, queue_size=0) as client:
        yield client


async def test_requests_are_counted_by_route_template_and_status(own: httpx.AsyncClient) -> None:
    await own.post("/v1/classify", content=IMAGE)
    await own.post("/v1/classify", content=IMAGE)
    await own.post("/v1/classify", content=b"hello")
    await own.get("/v1/models/paint")
    await own.get("/v1/models/nothing")
    await own.get("/a/path/that/is/not/there")
    await own.request("BREW", "/livez")
    values = await read(own)
    for route, method, status, times in (
        ("/v1/classify", "POST", "200", 2),
        ("/v1/classify", "POST", "415", 1),
        ("/v1/models/{name}", "GET", "200", 1),
        ("/v1/models/{name}", "GET", "404", 1),
        ("unknown", "GET", "404", 1),
    ):
        labels = {"route": route, "method": method, "status": status}
        assert value(values, "deepshelf_requests_total", **labels) == times, labels
    assert not [labels for _, labels in values if ("method", "BREW") in labels]


async def test_a_request_is_split_into_its_stages(own: httpx.AsyncClient) -> None:
    files = [("image", IMAGE), ("image", IMAGE)]
    await own.post("/v1/classify", files=files)
    await own.post("/v1/denoise", content=IMAGE)
    values = await read(own)
    for route in ("/v1/classify", "/v1/denoise"):
        whole = value(values, "deepshelf_request_seconds_sum", route=route)
        parts = {
            stage: value(values, "deepshelf_stage_seconds_sum", route=route, stage=stage)
            for stage in ("queue", "decode", "run", "encode")
        }
        assert min(parts.values()) > 0
        assert sum(parts.values()) <= whole
        for stage in parts:
            assert value(values, "deepshelf_stage_seconds_count", route=route, stage=stage) == 1
    images = value(values, "deepshelf_request_images_sum", route="/v1/classify")
    assert images == 2


async def test_full_queue_and_rejections_are_counted(own: httpx.AsyncClient) -> None:
    with occupied_thread(get_app_state(own).pool):
        await own.post("/v1/classify", content=IMAGE)
        during = await read(own)
    assert value(during, "deepshelf_rejected_total", queue="images") == 1
    assert value(during, "deepshelf_rejected_total", queue="texts") == 0
    depth = value(during, "deepshelf_queue_depth", queue="images")
    running = value(during, "deepshelf_queue_running", queue="images")
    assert depth + running == 1


async def test_waiting_expired_and_cancelled_requests_are_counted_apart(store: Path) -> None:
    async with running_app(store, deadline_s=3) as client:
        with occupied_thread(get_app_state(client).pool):
            caller = AsgiRequest(client, IMAGE)
            leaving = asyncio.create_task(caller.run())
            late = asyncio.create_task(client.post("/v1/classify", content=IMAGE))
            await until(lambda: get_app_state(client).pool.admission.in_flight == 3)
            depth = value(await read(client), "deepshelf_queue_depth", queue="images")
            assert depth >= 2
            caller.disconnected.set()
            await leaving
            assert (await late).status_code == 504
        values = await read(client)
        assert value(values, "deepshelf_cancelled_total", route="/v1/classify") == 1
        assert value(values, "deepshelf_deadline_misses_total", route="/v1/classify") == 1


async def test_generated_characters_and_batch_sizes_are_counted(tmp_path: Path) -> None:
    publish_text_model(tmp_path, "alphabet", AlphabetModel())
    async with running_app(tmp_path) as client:
        body = {"prompt": "abc", "max_chars": 5, "temperature": 0}
        texts = await asyncio.gather(*[client.post("/v1/text", json=body) for _ in range(3)])
        assert {text.json()["text"] for text in texts} == {"defgh"}
        values = await read(client)
    assert value(values, "deepshelf_text_written_characters_total") == 15
    assert value(values, "deepshelf_text_processed_characters_total") >= 15
    assert value(values, "deepshelf_batch_size_sum") >= 15
    assert 0 < value(values, "deepshelf_batch_size_count") <= 24
    for stage in ("queue", "run", "encode"):
        labels = {"route": "/v1/text", "stage": stage}
        assert value(values, "deepshelf_stage_seconds_count", **labels) == 3


async def test_metrics_include_models_and_process(own: httpx.AsyncClient) -> None:
    values = await read(own)
    assert value(values, "deepshelf_models", state="ready") == 5
    assert value(values, "deepshelf_models", state="failed") == 0
    assert value(values, "deepshelf_workers") == 1
    assert value(values, "deepshelf_process_cpu_seconds_total") > 0
    resident = [v for (name, _), v in values.items() if name.endswith("resident_memory_bytes")]
    assert resident == [pytest.approx(resident[0])]
    assert 10e6 < resident[0] < 10e9


async def test_metrics_parse_in_both_formats_of_prometheus(
    own: httpx.AsyncClient,
) -> None:
    await own.post("/v1/classify", content=IMAGE)
    plain = await own.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    strict = await own.get("/metrics", headers=accept)
    assert strict.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in parse(plain.text)}
    # The library's parser of its own stricter format has no types.
    openmetrics = parse_openmetrics(strict.text)  # type: ignore[no-untyped-call]
    assert names == {family.name for family in openmetrics}
    assert {"deepshelf_requests", "deepshelf_queue_depth", "deepshelf_request_seconds"} <= names


async def test_text_of_a_client_never_becomes_a_label(own: httpx.AsyncClient) -> None:
    await own.get("/v1/models/secret-name")
    await own.post("/v1/classify?model=secret-name", content=IMAGE)
    await own.get("/secret-name", headers={"x-request-id": "secret-name"})
    assert "secret-name" not in (await own.get("/metrics")).text
