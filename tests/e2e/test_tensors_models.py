"""`tritonclient` against graphs that were made elsewhere: strings, booleans, float16, scalars."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.e2e.server import Server, running_server
from tests.fakes.tensor_models import (
    THREE_INPUTS,
    make_model,
    publish_tensors_model,
    three_inputs_model,
)

Array = NDArray[np.generic]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = tmp_path_factory.mktemp("store")
    publish_tensors_model(store, "three", three_inputs_model(), THREE_INPUTS)
    models: list[tuple[str, int, list[int | str]]] = [
        ("half", TensorProto.FLOAT16, ["n", 2]),
        ("unsigned", TensorProto.UINT64, ["n", 2]),
        ("scalar", TensorProto.INT32, []),
    ]
    for name, dtype, shape in models:
        double = helper.make_node("Add", ["x", "x"], ["y"])
        model = make_model([double], {"x": (dtype, shape)}, {"y": (dtype, shape)})
        sample = np.ones([1, 2][: len(shape)], helper.tensor_dtype_to_np_dtype(dtype))
        publish_tensors_model(store, name, model, {"x": sample})
    with running_server(store, tmp_path_factory.mktemp("log") / "log") as server:
        yield server


def _infer(server: Server, model: str, inputs: dict[str, Array]) -> dict[str, Array]:
    tensors = []
    for name, array in inputs.items():
        data = array.astype(object) if array.dtype.kind == "U" else array
        tensors.append(InferInput(name, list(data.shape), np_to_triton_dtype(data.dtype)))
        tensors[-1].set_data_from_numpy(data)
    with InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        result = client.infer(model, tensors)
        outputs = [output["name"] for output in result.get_response()["outputs"]]
        return {name: result.as_numpy(name) for name in outputs}


def test_strings_and_booleans_go_both_ways(server: Server) -> None:
    outputs = _infer(server, "three", THREE_INPUTS)
    assert outputs["sums"].tolist() == [6.0, 15.0]
    assert [text.decode() for text in outputs["same"].tolist()] == ["one", "zwölf"]
    assert outputs["inverted"].tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize(
    ("model", "array"),
    [
        ("half", np.array([[1.5, np.nan], [np.inf, -2]], np.float16)),
        ("unsigned", np.array([[2**62, 7]], np.uint64)),
        ("scalar", np.array(-21, np.int32)),
    ],
)
def test_every_data_type_keeps_its_bits(server: Server, model: str, array: Array) -> None:
    (output,) = _infer(server, model, {"x": array}).values()
    assert output.dtype == array.dtype
    assert np.array_equal(output, np.add(array, array), equal_nan=array.dtype.kind == "f")


def test_error_for_wrong_inputs_states_the_expected_ones(server: Server) -> None:
    with pytest.raises(InferenceServerException, match=r"expected \[batch, 3\]"):
        _infer(server, "three", {**THREE_INPUTS, "numbers": np.zeros((2, 4), np.float32)})
