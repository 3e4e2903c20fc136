"""Rows of one request for a graph that was made elsewhere run together as measured."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from models_store.batching import Batching
from models_store.verify import read_manifest
from service.errors import InvalidValue
from service.handlers.tensors import InferLimits, infer
from service.runtime.model_loader import load
from tests.fakes.tensor_models import Shape, make_model, publish_tensors_model

ROWS = np.arange(12, dtype=np.float32)[:, np.newaxis]


@pytest.mark.parametrize(
    ("measured", "runs"),
    [(5, [5, 5, 2]), (1, [1] * 12), (64, [12]), (None, [4, 4, 4])],
    ids=["as measured", "no gain from batches", "all together", "not measured"],
)
def test_rows_run_in_batches_of_the_measured_size(
    tmp_path: Path, measured: int | None, runs: list[int]
) -> None:
    value: tuple[int, Shape] = (TensorProto.FLOAT, ["batch", 1])
    model = make_model([helper.make_node("Neg", ["x"], ["y"])], {"x": value}, {"y": value})
    folder = publish_tensors_model(tmp_path, "negate", model, {"x": ROWS[:2]})
    batching = {} if measured is None else {"model.onnx": _limits(measured)}
    manifest = read_manifest(folder).model_copy(update={"batching": batching})
    result = infer(
        load(folder, manifest),
        manifest.get_file("model"),
        {"x": ROWS},
        InferLimits(max_rows=4, max_steps=1, max_body_bytes=1000),
        lambda: None,
    )
    assert result.batch_sizes == runs
    assert np.array_equal(result.outputs["y"], -ROWS)


def _limits(size: int) -> Batching:
    return Batching(max_batch_size=size, max_wait_ms=0)


def test_outputs_that_are_too_large_for_a_response_stop_the_runs(tmp_path: Path) -> None:
    one: tuple[int, Shape] = (TensorProto.FLOAT, ["batch", 1])
    many: tuple[int, Shape] = (TensorProto.FLOAT, ["batch", 1000])
    repeats = helper.make_tensor("repeats", TensorProto.INT64, [2], [1, 1000])
    node = helper.make_node("Tile", ["x", "repeats"], ["y"])
    model = make_model([node], {"x": one}, {"y": many}, [repeats])
    folder = publish_tensors_model(tmp_path, "repeat", model, {"x": ROWS[:2]})
    loaded = load(folder, read_manifest(folder))
    file = read_manifest(folder).get_file("model")
    limits = InferLimits(max_rows=1, max_steps=1, max_body_bytes=2000)
    runs: list[None] = []
    result = infer(loaded, file, {"x": ROWS[:2]}, limits, lambda: None)
    assert result.outputs["y"].nbytes == 4 * 2000
    with pytest.raises(InvalidValue, match="12000 bytes or more; a response has up to 8000"):
        infer(loaded, file, {"x": ROWS}, limits, lambda: runs.append(None))
    assert len(runs) == 3
