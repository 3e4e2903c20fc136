"""Requests over HTTP share runs of a graph, and their responses do not change."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.fakes.factorized_codec import SIDE, FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.image_models import encode_png
from tests.fakes.tensor_models import Shape, make_model, publish_tensors_model
from tests.service.serving import get_app_state, occupied_thread, running_app
from tests.waiting import until

pytestmark = pytest.mark.anyio

WEIGHTS = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
ROWS = np.random.default_rng(1).standard_normal((12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dense` multiplies with a matrix, `centred` subtracts the mean of the whole batch."""
    folder = tmp_path_factory.mktemp("store")
    tensors: dict[str, tuple[int, Shape]] = {"x": (TensorProto.FLOAT, ["batch", 3])}
    dense = make_model(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        tensors,
        {"y": (TensorProto.FLOAT, ["batch", 2])},
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    publish_tensors_model(folder, "dense", dense, {"x": ROWS})
    centred = make_model(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        tensors,
        {"y": (TensorProto.FLOAT, ["batch", 3])},
    )
    publish_tensors_model(folder, "centred", centred, {"x": ROWS})
    publish_factorized_codec(folder, "squeeze", FakeFactorizedCodec(step=8, reach=10))
    return folder


async def _post_together(
    client: httpx.AsyncClient, url: str, contents: Sequence[bytes]
) -> list[httpx.Response]:
    """Post each of `contents` while the thread is occupied, so that all wait together."""
    pool = get_app_state(client).pool
    with occupied_thread(pool):
        pending = [asyncio.create_task(client.post(url, content=each)) for each in contents]
        await until(lambda: pool.admission.in_flight == 1 + len(contents))
    return await asyncio.gather(*pending)


async def _send_together(client: httpx.AsyncClient, model: str) -> list[list[float]]:
    """Send 12 requests of one row each, which wait together; return their rows."""
    bodies = [json.dumps({"inputs": {"x": [row.tolist()]}}).encode() for row in ROWS]
    responses = await _post_together(client, f"/v1/predict?model={model}", bodies)
    return [response.json()["outputs"]["y"][0] for response in responses]


async def _batch_metrics(client: httpx.AsyncClient) -> dict[str, float]:
    text = (await client.get("/metrics")).text
    lines = [line.rpartition(" ") for line in text.splitlines() if "dynamic_batch" in line]
    return {name: float(number) for name, _, number in lines if not name.startswith("#")}


async def test_waiting_requests_share_runs_and_the_metrics_count_their_rows(store: Path) -> None:
    async with running_app(store, batching="dense=8:10000") as client:
        together = await _send_together(client, "dense")
        metrics = await _batch_metrics(client)
        single = await client.post("/v1/predict?model=dense", json={"inputs": {"x": ROWS.tolist()}})
        config = (await client.get("/v2/models/dense/config")).json()
    assert together == single.json()["outputs"]["y"]
    limits = {"preferred_batch_size": [8], "max_queue_delay_microseconds": 10_000_000}
    assert config["dynamic_batching"] == limits
    assert metrics['deepshelf_dynamic_batch_rows_count{model="dense"}'] == 2
    assert metrics['deepshelf_dynamic_batch_rows_sum{model="dense"}'] == 12
    assert metrics['deepshelf_dynamic_batch_wait_seconds_count{model="dense"}'] == 12


@pytest.mark.parametrize("batching", ["dense=8:10000,dense=off", "off", ""])
async def test_without_batching_each_request_runs_alone(store: Path, batching: str) -> None:
    async with running_app(store, batching=batching) as client:
        await _send_together(client, "dense")
        metrics = await _batch_metrics(client)
    assert metrics == {}


async def test_a_graph_whose_rows_depend_on_each_other_is_never_batched(store: Path) -> None:
    async with running_app(store, batching="8:10000") as client:
        together = await _send_together(client, "centred")
    assert together == [[0.0, 0.0, 0.0]] * 12


async def test_codes_and_their_images_are_those_of_single_runs(store: Path) -> None:
    random = np.random.default_rng(2)
    images = [encode_png(random.integers(0, 256, (SIDE, SIDE, 1), np.uint8)) for _ in range(4)]
    async with running_app(store, batching="off") as client:
        codes = [(await client.post("/v1/compress", content=image)).content for image in images]
        decoded = [(await client.post("/v1/decompress", content=code)).content for code in codes]
    async with running_app(store, batching="8:10000") as client:
        compressed = await _post_together(client, "/v1/compress", images)
        assert [response.content for response in compressed] == codes
        decompressed = await _post_together(client, "/v1/decompress", codes)
        assert [response.content for response in decompressed] == decoded
        metrics = await _batch_metrics(client)
    # One run of the encoder and one of the decoder for all codes, and one for all images.
    assert metrics['deepshelf_dynamic_batch_rows_count{model="squeeze"}'] == 3
    assert metrics['deepshelf_dynamic_batch_rows_sum{model="squeeze"}'] == 12
