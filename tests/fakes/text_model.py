"""Small recurrent models, published like trained ones: one predictable, one random.

`AlphabetModel` always writes the next character of its vocabulary. `RandomLstmModel` is an LSTM
with random weights, whose texts depend on the whole prompt.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import RecurrentState, TextGeneration
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import (
    build_manifest,
    graph_file_entry,
    publish_int8_variant,
    replay_all_golden,
)

VOCABULARY = "\nabcdefghijklmnopqrstuvwxyzé€😀"
_OPSET, _IR_VERSION = 17, 8

Array = NDArray[np.generic]


@dataclass(frozen=True)
class AlphabetModel:
    """Generates the vocabulary in a cycle; its state counts characters."""

    sharpness: float = 50.0

    @property
    def states(self) -> tuple[RecurrentState, ...]:
        return (RecurrentState(name="count", next="next_count", layers=1, width=1),)

    def nodes(self) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Gather", ["table", "tokens"], ["logits"]),
            helper.make_node("Shape", ["tokens"], ["time"], start=1, end=2),
            helper.make_node("Cast", ["time"], ["times"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["count", "times"], ["next_count"]),
        ]

    def constants(self) -> dict[str, Array]:
        table = np.roll(np.eye(len(VOCABULARY), dtype=np.float32), 1, axis=1)
        return {"table": table * np.float32(self.sharpness)}


@dataclass(frozen=True)
class RandomLstmModel:
    """An LSTM of one layer with seeded random weights."""

    width: int = 24
    seed: int = 0

    @property
    def states(self) -> tuple[RecurrentState, ...]:
        return tuple(
            RecurrentState(name=name, next=f"next_{name}", layers=1, width=self.width)
            for name in ("hidden", "cell")
        )

    def nodes(self) -> list[onnx.NodeProto]:
        lstm = ["x", "W", "R", "", "", "hidden", "cell"]
        outputs = ["y_T1BH", "next_hidden", "next_cell"]
        return [
            helper.make_node("Gather", ["embedding", "tokens"], ["embedded"]),
            helper.make_node("Transpose", ["embedded"], ["x"], perm=[1, 0, 2]),
            helper.make_node("LSTM", lstm, outputs, hidden_size=self.width),
            helper.make_node("Squeeze", ["y_T1BH", "one"], ["y"]),
            helper.make_node("Transpose", ["y"], ["h"], perm=[1, 0, 2]),
            helper.make_node("MatMul", ["h", "head"], ["logits"]),
        ]

    def constants(self) -> dict[str, Array]:
        random = np.random.default_rng(self.seed)

        def weights(*shape: int) -> Array:
            return random.standard_normal(shape).astype(np.float32)

        return {
            "embedding": weights(len(VOCABULARY), 8),
            "W": weights(1, 4 * self.width, 8),
            "R": weights(1, 4 * self.width, self.width),
            "head": 4 * weights(self.width, len(VOCABULARY)),
            "one": np.array([1]),
        }


def build_model_proto(model: AlphabetModel | RandomLstmModel) -> onnx.ModelProto:
    value, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    shapes: list[tuple[RecurrentState, list[str | int | None]]] = [
        (state, [state.layers, "batch", state.width]) for state in model.states
    ]
    graph = helper.make_graph(
        model.nodes(),
        "step",
        [
            value("tokens", TensorProto.INT64, ["batch", "time"]),
            *(value(state.name, floats, shape) for state, shape in shapes),
        ],
        [
            value("logits", floats, ["batch", "time", len(VOCABULARY)]),
            *(value(state.next, floats, shape) for state, shape in shapes),
        ],
        [numpy_helper.from_array(array, name) for name, array in model.constants().items()],
    )
    opset = helper.make_opsetid("", _OPSET)
    model_proto = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto


def publish_text_model(store: Path, name: str, model: AlphabetModel | RandomLstmModel) -> Path:
    """Publish `model` as the next version of `name`; returns the version's folder."""
    return publish_version(
        store, name, lambda folder, version: _build(folder, name, version, model), replay_all_golden
    )


def publish_text_model_with_int8(store: Path, name: str, scratch: Path) -> None:
    """Publish an `AlphabetModel` with an int8 graph whose logits are 49.97 in place of 50."""
    folder = publish_text_model(store, name, AlphabetModel())
    publish_int8_variant(
        folder,
        publish_text_model(scratch, name, AlphabetModel(sharpness=49.97)) / "step.onnx",
        "step",
    )


def _build(
    folder: Path, name: str, version: int, model: AlphabetModel | RandomLstmModel
) -> Manifest:
    path = folder / "step.onnx"
    graph = build_model_proto(model)
    path.write_bytes(graph.SerializeToString())
    inputs: dict[str, Array] = {"tokens": np.array([[1, 2, 3], [4, 5, 6]])}
    for state in model.states:
        inputs[state.name] = np.zeros((state.layers, 2, state.width), np.float32)
    case = GoldenCase(inputs, load_graph_fn(path)(inputs))
    return build_manifest(
        folder,
        (name, version),
        TextGeneration(vocabulary=VOCABULARY, start="\n", states=model.states),
        [graph_file_entry(path, "step", graph.graph)],
        {"step": [case]},
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        rtol=1e-4,
        atol=1e-5,
    )
