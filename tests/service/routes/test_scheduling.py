"""Admission as clients see it: rejection before decoding, deadlines, cancelled work."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.image_models import (
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.service.serving import (
    AsgiRequest,
    assert_problem,
    get_app_state,
    occupied_thread,
    running_app,
)
from tests.waiting import LIMIT_S, until

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))


async def test_a_full_queue_is_503_with_retry_after_before_the_body_is_read(store: Path) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"not even an image"

    async with running_app(store, queue_size=0) as client:
        with occupied_thread(get_app_state(client).pool):
            response = await client.post("/v1/classify", content=body())
            problem = assert_problem(response, 503)
            assert problem["type"] == "/problems/overloaded"
            assert int(response.headers["retry-after"]) >= 1
            assert not read
            assert (await client.get("/livez")).status_code == 200
        counters = get_app_state(client).pool.admission.counters
        assert (counters.rejected, counters.started) == (1, 1)


async def test_queue_that_fills_during_upload_rejects_before_decoding(store: Path) -> None:
    async with running_app(store, queue_size=0) as client:
        pool = get_app_state(client).pool
        arriving, arrived = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            arriving.set()
            await arrived.wait()
            yield b"would be 415 if it were looked at"

        request = asyncio.create_task(client.post("/v1/classify", content=body()))
        await arriving.wait()
        with occupied_thread(pool):
            arrived.set()
            assert_problem(await request, 503)


async def test_bodies_that_arrive_at_the_same_time_are_bounded_together(store: Path) -> None:
    async with running_app(store, max_body_bytes=1000, max_buffered_body_bytes=1500) as client:
        slow = AsgiRequest(client, b"x" * 900, more_body=True)
        arriving = asyncio.create_task(slow.run())
        await until(lambda: not slow.has_unread_body)
        problem = assert_problem(await client.post("/v1/classify", content=b"x" * 900), 503)
        assert problem["type"] == "/problems/overloaded"
        assert (await client.post("/v1/classify", content=IMAGE)).status_code == 200
        slow.disconnected.set()
        assert await arriving == 499
        assert_problem(await client.post("/v1/classify", content=b"x" * 900), 415)


async def test_large_bodies_that_do_not_end_keep_no_small_one_out(store: Path) -> None:
    mib = 1 << 20
    async with running_app(
        store, max_body_bytes=2 * mib, max_buffered_body_bytes=4 * mib
    ) as client:
        slow = [AsgiRequest(client, b"x" * (mib + mib // 2), more_body=True) for _ in range(2)]
        arriving = [asyncio.create_task(request.run()) for request in slow]
        await until(lambda: not any(request.has_unread_body for request in slow))
        # 3 MiB are held. Half a mebibyte more would be no more than large ones may have together.
        assert_problem(await client.post("/v1/classify", content=b"x" * (mib // 2)), 415)
        assert_problem(await client.post("/v1/classify", content=b"x" * (mib // 2 + 1)), 503)
        assert_problem(await client.post("/v1/classify", content=b"x" * (mib // 4)), 415)
        assert (await client.post("/v1/classify", content=IMAGE)).status_code == 200
        for request in slow:
            request.disconnected.set()
        assert await asyncio.gather(*arriving) == [499, 499]


async def test_the_largest_body_fits_where_no_more_than_one_is_held(store: Path) -> None:
    async with running_app(
        store, max_body_bytes=1 << 20, max_buffered_body_bytes=1 << 20
    ) as client:
        assert_problem(await client.post("/v1/classify", content=b"x" * (1 << 20)), 415)


async def test_body_has_a_shorter_deadline_than_the_response(store: Path) -> None:
    async with running_app(store, body_timeout_s=0.2, deadline_s=60) as client:
        slow = AsgiRequest(client, b"x", more_body=True)
        assert await slow.run() == 504
        with occupied_thread(get_app_state(client).pool):
            waiting = asyncio.create_task(client.post("/v1/classify", content=IMAGE))
            await asyncio.sleep(0.4)
            assert not waiting.done()
        assert (await waiting).status_code == 200


async def test_requests_are_admitted_once_the_queue_has_capacity(store: Path) -> None:
    async with running_app(store, queue_size=0) as client:
        with occupied_thread(get_app_state(client).pool):
            assert_problem(await client.post("/v1/classify", content=IMAGE), 503)
        await until(lambda: get_app_state(client).pool.admission.in_flight == 0)
        assert (await client.post("/v1/classify", content=IMAGE)).status_code == 200


async def test_past_the_deadline_a_waiting_request_is_504(store: Path) -> None:
    async with running_app(store, deadline_s=0.5) as client:
        with occupied_thread(get_app_state(client).pool):
            problem = assert_problem(await client.post("/v1/classify", content=IMAGE), 504)
            assert "0.5 s" in str(problem["detail"])
        await until(lambda: get_app_state(client).pool.admission.in_flight == 0)
        assert get_app_state(client).pool.admission.counters.dropped == 1


async def test_a_body_that_does_not_arrive_in_time_is_504(store: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield IMAGE[:10]
        await asyncio.sleep(LIMIT_S)

    async with running_app(store, deadline_s=0.05) as client:
        problem = assert_problem(await client.post("/v1/classify", content=body()), 504)
        assert "body did not arrive" in str(problem["detail"])


async def test_client_that_disconnects_while_waiting_is_never_computed(store: Path) -> None:
    async with running_app(store) as client:
        pool = get_app_state(client).pool
        with occupied_thread(pool):
            caller = AsgiRequest(client, IMAGE)
            leaving = asyncio.create_task(caller.run())
            staying = asyncio.create_task(client.post("/v1/classify", content=IMAGE))
            await until(lambda: pool.admission.in_flight == 3)
            caller.disconnected.set()
            assert await leaving == 499
            await until(lambda: pool.admission.in_flight == 2)
        assert (await staying).status_code == 200
        await until(lambda: pool.admission.in_flight == 0)
        counters = pool.admission.counters
        assert (counters.admitted, counters.started, counters.dropped) == (3, 2, 1)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_never_admitted(
    store: Path,
) -> None:
    async with running_app(store) as client:
        caller = AsgiRequest(client, IMAGE[:10], more_body=True)
        caller.disconnected.set()
        assert await caller.run() == 499
        assert get_app_state(client).pool.admission.counters.admitted == 0


async def test_disconnect_watcher_ends_with_its_request(store: Path) -> None:
    async with running_app(store) as client:
        tasks = asyncio.all_tasks()
        for _ in range(3):
            await client.post("/v1/classify", content=IMAGE)
        await until(lambda: asyncio.all_tasks() <= tasks)


async def test_a_running_service_picks_up_new_versions_and_drops_old_ones(tmp_path: Path) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    async with running_app(tmp_path, store_poll_interval_s=0.01) as client:
        published_store = get_app_state(client).registry
        assert (await client.post("/v1/classify", content=IMAGE)).json()["version"] == 1
        publish_image_model(tmp_path, "paint", MeanColorClassifier(sharpness=3))
        await until(lambda: published_store.catalog.count("ready") == 2)
        assert (await client.post("/v1/classify", content=IMAGE)).json()["version"] == 2
        shutil.rmtree(tmp_path / "paint" / "2")
        await until(lambda: len(published_store.catalog.versions) == 1)
        assert (await client.post("/v1/classify", content=IMAGE)).json()["version"] == 1


async def test_a_corrupted_model_is_listed_with_its_reason_while_the_others_serve(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    graph = publish_image_model(tmp_path, "other", MeanColorClassifier()) / "model.onnx"
    data = bytearray(graph.read_bytes())
    data[-1] ^= 1
    graph.write_bytes(data)
    async with running_app(tmp_path) as client:
        assert (await client.post("/v1/classify", content=IMAGE)).json()["model"] == "paint"
        other, paint = (await client.get("/v1/models")).json()["models"]
        assert [version["state"] for version in paint["versions"]] == ["ready"]
        (failed,) = other["versions"]
        assert failed["state"] == "failed"
        assert "SHA-256 differs" in failed["reason"]
        assert (await client.get("/readyz")).json()["failed"] == 1
        response = await client.post("/v1/classify?model=other", content=IMAGE)
        assert "SHA-256 differs" in str(assert_problem(response, 503)["detail"])
        assert (await client.get("/v1/models/other")).json()["state"] == "failed"
        assert_problem(await client.get("/v1/models/other/preview"), 503)
