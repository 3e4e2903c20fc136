"""`/v1/predict`: plain JSON in and out, for graphs of every kind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.fakes.tensor_models import (
    THREE_INPUTS,
    make_model,
    publish_tensors_model,
    three_inputs_model,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import assert_problem, get_app_state, running_app

pytestmark = pytest.mark.anyio

INPUTS = {name: array.tolist() for name, array in THREE_INPUTS.items()}
PREDICT = "/v1/predict?model=three"


def wide_model() -> onnx.ModelProto:
    """Return a graph that repeats each row as often as the largest value of all rows."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Reshape", ["largest", "one"], ["width"]),
        helper.make_node("Concat", ["one", "width"], ["shape"], axis=0),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    return make_model(
        nodes,
        {"x": (TensorProto.INT64, ["batch", 1])},
        {"y": (TensorProto.INT64, ["batch", "width"])},
        [one],
    )


def few_model() -> onnx.ModelProto:
    """Return a graph that outputs only the rows that are not 0."""
    value = (TensorProto.INT64, ["batch"])
    nodes = [
        helper.make_node("Cast", ["x"], ["is_kept"], to=TensorProto.BOOL),
        helper.make_node("Compress", ["x", "is_kept"], ["y"], axis=0),
    ]
    return make_model(nodes, {"x": value}, {"y": value})


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_tensors_model(folder, "three", three_inputs_model(), THREE_INPUTS)
    root = make_model(
        [helper.make_node("Sqrt", ["x"], ["y"])],
        {"x": (TensorProto.DOUBLE, [])},
        {"y": (TensorProto.DOUBLE, [])},
    )
    publish_tensors_model(folder, "root", root, {"x": np.array(2.0)})
    pick = make_model(
        [helper.make_node("Gather", ["table", "index"], ["y"])],
        {"table": (TensorProto.UINT16, ["rows"]), "index": (TensorProto.INT64, ["n"])},
        {"y": (TensorProto.UINT16, ["n"])},
    )
    publish_tensors_model(
        folder, "pick", pick, {"table": np.array([7, 65535], np.uint16), "index": np.array([1])}
    )
    publish_tensors_model(folder, "wide", wide_model(), {"x": np.array([[1], [1]])})
    publish_tensors_model(folder, "few", few_model(), {"x": np.array([1, 1])})
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_text_model(folder, "alphabet", AlphabetModel())
    return folder


@pytest.fixture(scope="module")
async def client(store_dir: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store_dir, max_images=2, max_body_bytes=40_000) as client:
        yield client


async def test_several_inputs_of_several_types(client: httpx.AsyncClient) -> None:
    response = await client.post(PREDICT, json={"inputs": INPUTS})
    assert response.json() == {
        "model": "three",
        "version": 1,
        "outputs": {
            "sums": [6.0, 15.0],
            "same": ["one", "zwölf"],
            "inverted": [[False, True], [True, True]],
        },
    }


async def test_rows_beyond_the_batch_limit_run_in_several_batches(
    client: httpx.AsyncClient,
) -> None:
    inputs = {"numbers": [[i, 0, 0] for i in range(5)], "words": ["a"] * 5, "flags": [[True]] * 5}
    response = await client.post(PREDICT, json={"inputs": inputs})
    assert response.json()["outputs"]["sums"] == [0, 1, 2, 3, 4]


async def test_models_of_every_rank_type_and_task(client: httpx.AsyncClient) -> None:
    async def outputs(model: str, **inputs: object) -> Any:
        response = await client.post(f"/v1/predict?model={model}", json={"inputs": inputs})
        assert response.status_code == 200, response.text
        return response.json()["outputs"]

    assert await outputs("root", x=9) == {"y": 3.0}
    assert await outputs("pick", table=[5, 65535], index=[1, 0, 1]) == {"y": [65535, 5, 65535]}
    red = np.full((1, 8, 8, 3), (255, 0, 0)).tolist()
    assert np.argmax((await outputs("paint", images=red))["probabilities"]) == 0
    target = await client.get("/v2/models/alphabet.step")
    states = {
        tensor["name"]: np.zeros([abs(size) for size in tensor["shape"]]).tolist()
        for tensor in target.json()["inputs"]
        if tensor["name"] != "tokens"
    }
    assert len((await outputs("alphabet", tokens=[[0]], **states))["logits"][0]) == 1


async def test_nan_and_infinity_are_strings(client: httpx.AsyncClient) -> None:
    root = "/v1/predict?model=root"
    for sent, received in (("Infinity", "Infinity"), ("NaN", "NaN"), (-1, "NaN")):
        response = await client.post(root, json={"inputs": {"x": sent}})
        assert response.json()["outputs"] == {"y": received}
    response = await client.post(
        PREDICT, json={"inputs": {**INPUTS, "numbers": [["-Infinity", 0, 1]] * 2}}
    )
    assert response.json()["outputs"]["sums"] == ["-Infinity"] * 2
    image = np.full((1, 8, 8, 3), 0.5).tolist()
    problem = assert_problem(
        await client.post("/v1/predict?model=paint", json={"inputs": {"images": image}}), 422
    )
    assert "fractions" in str(problem["detail"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"words": ["a"]}, "input 'numbers' is missing; the inputs are: numbers, words, flags"),
        ({**INPUTS, "number": 1}, "no input 'number'; did you mean 'numbers'?"),
        ({**INPUTS, "numbers": [[1, 2, 3], [4, 5]]}, "numbers[0] has 3 values, but numbers[1] has"),
        ({**INPUTS, "flags": [[True], True]}, "flags[0] has 1 value, but flags[1] is not a list"),
        ({**INPUTS, "numbers": [[1, 2]] * 2}, "shape [2, 2]; expected [batch, 3] where"),
        ({**INPUTS, "numbers": [1, 2, 3]}, "expected [batch, 3]: for one example, wrap it in"),
        ({**INPUTS, "words": ["a"] * 3}, "words has the shape [3]; expected [batch] where"),
        ({**INPUTS, "words": []}, "words is empty; expected [batch]"),
        ({**INPUTS, "words": ["a", 1]}, "words: data has values that are no strings"),
        ({**INPUTS, "numbers": [[1, 2, "3"]] * 2}, "strings) that are not FP32"),
        ({**INPUTS, "numbers": [[1, 2, None]] * 2}, "null) that are not FP32"),
        ({**INPUTS, "numbers": [[1, 2, 1e39]] * 2}, "values that are too large for FP32"),
        ({**INPUTS, "numbers": np.zeros([1] * 40).tolist()}, "over 32 levels"),
    ],
)  # fmt: skip
async def test_wrong_inputs_are_rejected_with_the_reason(
    client: httpx.AsyncClient, inputs: dict[str, Any], message: str
) -> None:
    problem = assert_problem(await client.post(PREDICT, json={"inputs": inputs}), 422)
    assert message in str(problem["detail"])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400])
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/predict?model=root", '{"inputs": {"x": %s}}', 422),
        (
            "/v2/models/root/infer",
            '{"inputs": [{"name": "x", "shape": [], "datatype": "FP64", "data": [%s]}]}',
            400,
        ),
    ],
)
async def test_numbers_that_json_does_not_have_or_doubles_cannot_hold_are_rejected(
    client: httpx.AsyncClient, path: str, body: str, status: int, number: str
) -> None:
    response = await client.post(path, content=body % number)
    assert response.status_code == status
    assert "too large" in response.text
    assert (await client.post(path, content=body % "4e0")).status_code == 200


async def test_inputs_that_the_graph_rejects_are_the_clients_error(
    client: httpx.AsyncClient,
) -> None:
    body = {"inputs": {"table": [1], "index": [7]}}
    problem = assert_problem(await client.post("/v1/predict?model=pick", json=body), 422)
    assert "the graph does not accept these inputs" in str(problem["detail"])


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        ("wide", [[1], [1], [3]], "shape of an output depends on the values of the inputs"),
        ("few", [1, 0], "a run of 2 rows gave another number of outputs"),
        (
            "wide",
            [[5_000_000]],
            "the outputs have 40000000 bytes or more; a response has up to 160000",
        ),
    ],
)
async def test_outputs_whose_shape_depends_on_values_are_the_clients_error(
    client: httpx.AsyncClient, model: str, x: object, message: str
) -> None:
    rejected = await client.post(f"/v1/predict?model={model}", json={"inputs": {"x": x}})
    assert message in str(assert_problem(rejected, 422)["detail"])


@pytest.mark.parametrize(
    ("query", "body", "status", "message"),
    [
        ("", b"{}", 422, "the parameter model is missing; models: alphabet, few, paint, pick"),
        ("?model=thre", b"{}", 404, "there is no model 'thre'; did you mean 'three'?"),
        ("?model=../x", b"{}", 404, "there is no model '../x'"),
        ("?model=three&version=2", b"{}", 404, "three has no version 2"),
        ("?model=three&precision=int8", b"{}", 422, "precision is int8"),
        ("?model=three", b"[", 400, "the body is not JSON"),
        ("?model=three", b"{}", 422, "inputs: is missing"),
        ("?model=three", b'{"inputs": {}, "x": 1}', 422, "unknown parameter 'x'"),
        ("?model=three", b'{"inputs": {}}', 422, "inputs: must have at least 1 items"),
        ("?model=three", b" " * 10_001, 413, "the limit is 10000"),
    ],
)
async def test_wrong_requests_are_rejected_with_the_reason(
    client: httpx.AsyncClient, query: str, body: bytes, status: int, message: str
) -> None:
    problem = assert_problem(await client.post(f"/v1/predict{query}", content=body), status)
    assert message in str(problem["detail"])


async def test_v2_takes_the_same_tensors_strings_and_nan_included(
    client: httpx.AsyncClient,
) -> None:
    metadata = (await client.get("/v2/models/three")).json()
    assert metadata["inputs"] == [
        {"name": "numbers", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "words", "datatype": "BYTES", "shape": [-1]},
        {"name": "flags", "datatype": "BOOL", "shape": [-1, -1]},
    ]
    inputs = [
        {"name": tensor["name"], "datatype": tensor["datatype"], "shape": list(array.shape),
         "data": array.ravel().tolist()}
        for tensor, array in zip(metadata["inputs"], THREE_INPUTS.values(), strict=True)
    ]  # fmt: skip
    response = (await client.post("/v2/models/three/infer", json={"inputs": inputs})).json()
    assert [output["data"] for output in response["outputs"]] == [
        [6.0, 15.0], ["one", "zwölf"], [False, True, True, True],
    ]  # fmt: skip
    listed = (await client.get("/v1/models")).json()["models"]
    assert {model["name"]: model["task"] for model in listed}["three"] == "tensors"
    assert not {model["name"]: model["default"] for model in listed}["three"]


async def test_a_configured_default_model_needs_no_name(store_dir: Path) -> None:
    async with running_app(store_dir, defaults={"tensors": "root"}) as client:
        response = await client.post("/v1/predict", json={"inputs": {"x": 4}})
        assert response.json()["outputs"] == {"y": 2.0}


async def test_a_full_queue_rejects_requests(client: httpx.AsyncClient) -> None:
    admission = get_app_state(client).pool.admission
    tickets = []
    try:
        while admission.in_flight < admission.capacity:
            tickets.append(admission.admit(admission.now()))
        assert_problem(await client.post(PREDICT, json={"inputs": INPUTS}), 503)
    finally:
        for ticket in tickets:
            ticket.release()


@pytest.mark.parametrize("name", ["three", "root", "pick", "paint"])
async def test_a_sample_is_a_body_that_the_model_accepts(
    client: httpx.AsyncClient, name: str
) -> None:
    sample = await client.get(f"/v1/models/{name}/sample")
    assert sample.headers["x-deepshelf-model"] == name
    response = await client.post(f"/v1/predict?model={name}", content=sample.content)
    assert response.status_code == 200, response.text
    if name == "three":
        assert sample.json() == {"inputs": INPUTS}


async def test_changed_sample_file_is_503(tmp_path: Path) -> None:
    folder = publish_tensors_model(tmp_path, "three", three_inputs_model(), THREE_INPUTS)
    async with running_app(tmp_path) as client:
        (folder / "golden.npz").write_bytes(b"changed")
        problem = assert_problem(await client.get("/v1/models/three/sample"), 503)
        assert "golden.npz of three 1 is no longer the published file" in str(problem["detail"])
