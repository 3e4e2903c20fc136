"""Memory that a run takes is bounded where a value of the request decides how much that is."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models_store.verify import read_manifest
from service.runtime.bounded_arena import BoundedArena
from service.runtime.session import RunError, Session
from tests.fakes.tensor_models import Shape, make_model, publish_tensors_model
from tests.service.serving import assert_problem, running_app

_MIB = 1 << 20
_LIMIT = 32 * _MIB


def _expand_model() -> onnx.ModelProto:
    node = helper.make_node("Expand", ["x", "shape"], ["y"])
    inputs: dict[str, tuple[int, Shape]] = {
        "x": (TensorProto.UINT8, [1]),
        "shape": (TensorProto.INT64, ["rank"]),
    }
    return make_model([node], inputs, {"y": (TensorProto.UINT8, ["size"])})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    inputs = {"x": np.array([7], np.uint8), "shape": np.array([3])}
    publish_tensors_model(tmp_path, "expand", _expand_model(), inputs)
    return tmp_path


def test_a_run_beyond_the_arena_fails_and_later_ones_find_room(store: Path) -> None:
    folder = store / "expand" / "1"
    (spec,) = read_manifest(folder).graphs().values()
    session = Session((folder / spec.path).read_bytes(), spec, arena=BoundedArena(_LIMIT))

    def run(size: int) -> int:
        inputs = {"x": np.array([7], np.uint8), "shape": np.array([size])}
        return len(session.run(inputs)["y"])

    # A region of 20 MiB is kept for later runs, and leaves no room for one of 28.
    for mib in (20, 28, 31):
        assert run(mib * _MIB) == mib * _MIB
    for size in (33 * _MIB, 2**40):
        with pytest.raises(RunError, match="Available memory of"):
            run(size)
    assert run(31 * _MIB) == 31 * _MIB


@pytest.mark.anyio
async def test_a_request_for_more_memory_is_422(store: Path) -> None:
    async with running_app(store, max_tensor_memory_bytes=_LIMIT) as client:
        for size, status in ((5, 200), (10**12, 422), (5, 200)):
            body = {"inputs": {"x": [1], "shape": [size]}}
            response = await client.post("/v1/predict?model=expand", json=body)
            assert response.status_code == status, response.text
            if status == 422:
                detail = str(assert_problem(response, 422)["detail"])
                assert "smaller than requested bytes of 1000000000000" in detail
                assert "bfc_arena" not in detail
