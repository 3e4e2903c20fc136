"""A look into models: their layers, filters and feature maps, against numpy and hand counts."""

import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import Classification, FixedImage
from models_store.verify import GoldenCase
from models_store.visualization.filters import render_feature_maps
from tests.fakes.image_models import BoxBlurDenoiser, encode_png, publish_image_model, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden
from tests.fakes.text_model import RandomLstmModel, publish_text_model
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

SIDE = 8
RED = encode_png(solid_image(SIDE, SIDE, (255, 0, 0)))


def _weights() -> NDArray[np.float32]:
    """Publish a layer of eight filters: one sees red alone, and two are dead."""
    weights = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    weights[0], weights[0, 0] = 0, 1
    weights[3] = 0
    weights[5] *= 1e-5
    return weights


def _build(folder: Path, version: int, name: str) -> Manifest:
    value = helper.make_tensor_value_info
    head = np.random.default_rng(1).normal(size=(8, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "network.conv1.weight"], ["seen"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["seen"], ["bright"]),
        helper.make_node("ReduceMean", ["bright"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "seer",
        [value("images", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [value("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(_weights(), "network.conv1.weight"),
            numpy_helper.from_array(head, "head"),
        ],
    )
    path = folder / "model.onnx"
    opset = helper.make_opsetid("", 17)
    onnx.save_model(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    images = {"images": np.zeros((2, SIDE, SIDE, 3), np.uint8)}
    image = FixedImage(width=SIDE, height=SIDE, mode="RGB", resize="stretch")
    return build_manifest(
        folder,
        (name, version),
        Classification(image=image, labels=("no", "yes")),
        [graph_file_entry(path, "model", graph)],
        {"model": [GoldenCase(images, load_graph_fn(path)(images))]},
        preview=RED,
        atol=1e-6,
    )


@pytest.fixture(scope="module")
def published_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    publish_version(store, "seer", partial(_build, name="seer"), replay_all_golden)
    publish_image_model(store, "blur", BoxBlurDenoiser())
    publish_text_model(store, "babble", RandomLstmModel())
    return store


@pytest.fixture
async def client(published_store: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(published_store) as client:
        yield client


def _pixels(response: httpx.Response) -> NDArray[np.uint8]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image.convert("RGB"))


async def test_layers_are_listed_with_their_dead_filters(client: httpx.AsyncClient) -> None:
    response = (await client.get("/v1/models/seer/filters")).json()
    assert (response["model"], response["version"]) == ("seer", 1)
    largest = float(np.abs(_weights()).max())
    assert response["layers"][0] == {
        "name": "conv1", "operator": "Conv", "graph": "model", "shape": [8, 3, 3, 3],
        "filters": 8, "dead": 2, "largest": pytest.approx(largest),
    }  # fmt: skip
    # (inputs, outputs) in the graph: a matrix product's filters are its columns.
    assert [(layer["name"], layer["shape"]) for layer in response["layers"][1:]] == [
        ("head", [2, 8, 1, 1])
    ]
    assert (await client.get("/v1/models/blur/filters")).json()["layers"] == []


async def test_a_recurrent_layer_is_a_matrix_from_inputs_and_one_from_its_past(
    client: httpx.AsyncClient,
) -> None:
    layers = (await client.get("/v1/models/babble/filters")).json()["layers"]
    assert [(layer["name"], layer["shape"][:2]) for layer in layers] == [
        ("W", [96, 8]), ("R", [96, 24]), ("head", [30, 24]),
    ]  # fmt: skip
    assert _pixels(await client.get("/v1/models/babble/filters/R.png")).std() > 20


async def test_filters_over_colours_are_shown_in_them_and_dead_ones_are_framed(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/models/seer/filters/conv1.png")
    pixels = _pixels(response)
    assert response.headers["x-deepshelf-filters"] == "8"
    assert response.headers["x-deepshelf-dead"] == "2"
    scale = float(np.percentile(np.abs(_weights()), 99))
    assert float(response.headers["x-deepshelf-scale"]) == pytest.approx(scale, rel=1e-4)
    magenta = (pixels == (255, 0, 200)).all(2)
    assert 0.005 < magenta.mean() < 0.1
    # The first tile looks at red: weight 1 of the scale, and grey, which is zero, of the others.
    tile = pixels[pixels.shape[0] // 10, pixels.shape[1] // 10]
    assert tile.tolist() == [round(127.5 + 127.5 / scale), 128, 128]


async def test_unknown_layer_is_rejected_with_those_that_exist(
    client: httpx.AsyncClient,
) -> None:
    problem = assert_problem(await client.get("/v1/models/seer/filters/conv7.png"), 404)
    assert problem["available"] == ["conv1", "head"]
    assert "layers: conv1, head" in str(problem["detail"])
    assert_problem(await client.get("/v1/models/nobody/filters/conv1.png"), 404)
    url = "/v1/models/seer/activations?layer=conv7"
    assert assert_problem(await client.post(url, content=RED), 404)["available"] == [
        "conv1",
        "head",
    ]


async def test_maps_are_the_output_of_the_layer_for_the_image(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/models/seer/activations?layer=conv1", content=RED)
    padded = np.pad(np.full((SIDE, SIDE), 255.0), 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    maps = np.einsum("yxij,nij->nyx", windows, _weights()[:, 0].astype(np.float64))
    np.testing.assert_array_equal(_pixels(response), render_feature_maps(maps.astype(np.float32)))
    assert response.headers["x-deepshelf-filters"] == "8"
    assert response.headers["x-deepshelf-dead"] == "1"  # 1e-5 of an image is not nothing


async def test_a_form_may_name_the_layer_and_a_head_gives_a_value_a_filter(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(
        "/v1/models/seer/activations", data={"layer": "head"}, files={"image": ("red.png", RED)}
    )
    assert response.headers["x-deepshelf-filters"] == "2"


async def test_default_layer_is_the_first(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/models/seer/activations", content=RED)
    named = await client.post("/v1/models/seer/activations?layer=conv1", content=RED)
    assert first.content == named.content


async def test_maps_need_an_image_and_a_model_that_takes_images(
    client: httpx.AsyncClient,
) -> None:
    url = "/v1/models/seer/activations"
    assert_problem(await client.post(f"{url}?layer=conv1", content=b""), 422)
    assert_problem(await client.post(f"{url}?layer=conv1", content=b"no image"), 415)
    problem = assert_problem(await client.post("/v1/models/babble/activations?layer=W"), 422)
    assert "its input is not an image" in str(problem["detail"])


async def test_inspection_keeps_few_sessions_and_does_not_change_results(
    client: httpx.AsyncClient,
) -> None:
    before = (await client.post("/v1/classify?model=seer", content=RED)).json()
    for layer in ("conv1", "head", "conv1"):
        await client.post(f"/v1/models/seer/activations?layer={layer}", content=RED)
    assert (await client.post("/v1/classify?model=seer", content=RED)).json() == before


async def test_file_changed_after_load_is_not_shown(tmp_path: Path) -> None:
    publish_version(tmp_path, "seer", partial(_build, name="seer"), replay_all_golden)
    async with running_app(tmp_path) as client:
        (tmp_path / "seer" / "1" / "model.onnx").write_bytes(b"something else")
        problem = assert_problem(await client.get("/v1/models/seer/filters/conv1.png"), 503)
        assert "no longer the published file" in str(problem["detail"])
