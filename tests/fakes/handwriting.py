"""A small handwriting network, published like a trained one, whose drawings are known.

`StraightLineModel` draws symbol `0` as a line of four points to the right, `1` as one upwards.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import HandwritingGeneration, RecurrentState
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

STEP = 0.25
_STATES = (RecurrentState(name="count", next="next_count", layers=1, width=1),)


@dataclass(frozen=True)
class StraightLineModel:
    """One Gaussian per move. The drawing ends after move `end_after`; 0 means never."""

    log_deviation: float = -20.0
    end_after: int = 4

    @property
    def task(self) -> HandwritingGeneration:
        return HandwritingGeneration(
            symbols="01", components=1, max_moves=9, aspect=0.5, states=_STATES
        )

    def model_proto(self) -> onnx.ModelProto:
        value, floats = helper.make_tensor_value_info, TensorProto.FLOAT
        wide = self.log_deviation
        # Weight, mean x, mean y, deviations, correlation; pen down, lifted, put away.
        table = np.array(
            [[0, STEP, 0, wide, wide, 0, 0, -1e4, -1e4], [0, 0, STEP, wide, wide, 0, 0, -1e4, -1e4]]
        )
        per_count = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1.1e4 / (self.end_after - 1)])
        constants = {
            "table": table.astype(np.float32),
            "per_count": (per_count if self.end_after else 0 * per_count).astype(np.float32),
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


def publish_handwriting_model(store: Path, name: str, model: StraightLineModel) -> Path:
    """Publish `model` as the next version of `name`; returns the version's folder."""
    return publish_version(store, name, partial(_build, name=name, model=model), replay_all_golden)


def _build(folder: Path, version: int, name: str, model: StraightLineModel) -> Manifest:
    path, proto = folder / "step.onnx", model.model_proto()
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())
    inputs: dict[str, NDArray[np.generic]] = {
        "moves": np.zeros((2, 1, 5), np.float32),
        "symbols": np.array([[0], [1]]),
        "count": np.zeros((1, 2, 1), np.float32),
    }
    return build_manifest(
        folder,
        (name, version),
        model.task,
        [graph_file_entry(path, "step", proto.graph)],
        {"step": [GoldenCase(inputs, load_graph_fn(path)(inputs))]},
        preview=encode_png(solid_image(4, 3, (0, 0, 0))),
        atol=1e-4,
    )
