"""A small network that draws, for tests, truly published: what it draws can be worked out by hand.

`Ruler` draws symbol `0` as a line of four points to the right, `1` as one upwards.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import onnxruntime_run
from models_store.publish import publish
from models_store.tasks import Handwriting, State
from models_store.verify import Case
from tests.fakes.image_models import png, solid
from tests.fakes.manifest import check, finish, graph_file

__all__ = ["STEP", "Ruler", "put_drawing"]

STEP = 0.25
_STATES = (State(name="count", next="next_count", layers=1, width=1),)


@dataclass(frozen=True)
class Ruler:
    """One Gaussian a move. `ends` is the move after which the pen is put away; 0: never."""

    log_deviation: float = -20.0
    ends: int = 4

    @property
    def task(self) -> Handwriting:
        return Handwriting(symbols="01", components=1, max_moves=9, aspect=0.5, states=_STATES)

    def proto(self) -> onnx.ModelProto:
        value, floats = helper.make_tensor_value_info, TensorProto.FLOAT
        wide = self.log_deviation
        # Weight, mean x, mean y, deviations, correlation; pen down, lifted, put away.
        table = np.array(
            [[0, STEP, 0, wide, wide, 0, 0, -1e4, -1e4], [0, 0, STEP, wide, wide, 0, 0, -1e4, -1e4]]
        )
        per_count = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1.1e4 / (self.ends - 1)])
        constants = {
            "table": table.astype(np.float32),
            "per_count": (per_count if self.ends else 0 * per_count).astype(np.float32),
        }
        nodes = [
            helper.make_node("Gather", ["table", "symbols"], ["fixed"]),
            helper.make_node("Transpose", ["count"], ["count_B11"], perm=[1, 0, 2]),
            helper.make_node("Mul", ["count_B11", "per_count"], ["counted"]),
            helper.make_node("Add", ["fixed", "counted"], ["mixture"]),
            helper.make_node("Shape", ["moves"], ["time"], start=1, end=2),
            helper.make_node("Cast", ["time"], ["times"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["count", "times"], ["next_count"]),
        ]
        graph = helper.make_graph(
            nodes,
            "step",
            [
                value("moves", floats, ["batch", "time", 5]),
                value("symbols", TensorProto.INT64, ["batch", "time"]),
                value("count", floats, [1, "batch", 1]),
            ],
            [
                value("mixture", floats, ["batch", "time", 9]),
                value("next_count", floats, [1, "batch", 1]),
            ],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def put_drawing(store: Path, name: str, model: Ruler) -> Path:
    """Publish `model` as the next version of `name`; returns the version's folder."""
    return publish(store, name, partial(_build, name=name, model=model), check)


def _build(folder: Path, version: int, name: str, model: Ruler) -> Manifest:
    path, proto = folder / "step.onnx", model.proto()
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())
    inputs: dict[str, NDArray[np.generic]] = {
        "moves": np.zeros((2, 1, 5), np.float32),
        "symbols": np.array([[0], [1]]),
        "count": np.zeros((1, 2, 1), np.float32),
    }
    return finish(
        folder,
        (name, version),
        model.task,
        [graph_file(path, "step", proto.graph)],
        {"step": [Case(inputs, onnxruntime_run(path)(inputs))]},
        preview=png(solid(4, 3, (0, 0, 0))),
        atol=1e-4,
    )
