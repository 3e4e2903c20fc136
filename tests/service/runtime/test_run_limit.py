"""A run ends where a value of the request decides how long it takes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models_store.verify import read_manifest
from service.errors import DeadlineExceeded
from service.runtime.run_limit import RunLimit
from service.runtime.session import Session
from tests.fakes.tensor_models import Shape, make_model, publish_tensors_model
from tests.service.serving import assert_problem, running_app

_ENDLESS = 2**62


def _loop_model() -> onnx.ModelProto:
    """Add 1 to `x` as often as `rounds` says."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["value", "one"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
        initializer=[one],
    )
    loop = helper.make_node("Loop", ["rounds", "", "x"], ["y"], body=body)
    scalar: tuple[int, Shape] = (TensorProto.FLOAT, [])
    return make_model([loop], {"rounds": (TensorProto.INT64, []), "x": scalar}, {"y": scalar})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    inputs = {"rounds": np.array(3), "x": np.array(0, np.float32)}
    publish_tensors_model(tmp_path, "loop", _loop_model(), inputs)
    return tmp_path


def test_a_run_beyond_the_limit_is_ended_and_others_are_not(store: Path) -> None:
    folder = store / "loop" / "1"
    (spec,) = read_manifest(folder).graphs().values()
    session = Session((folder / spec.path).read_bytes(), spec, run_limit=RunLimit(1))

    def run(rounds: int) -> float:
        return float(session.run({"rounds": np.array(rounds), "x": np.array(0, np.float32)})["y"])

    for _ in range(2):
        with pytest.raises(DeadlineExceeded, match=r"took longer than 1 s"):
            run(_ENDLESS)
        assert run(5) == 5


@pytest.mark.anyio
async def test_an_endless_request_does_not_keep_the_compute_thread(store: Path) -> None:
    async with running_app(store, deadline_s=1.0) as client:

        async def predict(rounds: int) -> int:
            body = {"inputs": {"rounds": rounds, "x": 0}}
            response = await client.post("/v1/predict?model=loop", json=body)
            if response.status_code != 200:
                assert_problem(response, 504)
            return response.status_code

        assert await predict(_ENDLESS) == 504
        # The run ends within a tenth of the limit after its client's 504.
        assert 200 in [await predict(3) for _ in range(5)]
