"""Graphs made elsewhere, with several inputs and data types, whose outputs are known."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.publish import publish_version
from models_store.tasks import Tensors
from models_store.verify import GoldenCase
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.manifest import build_manifest, graph_file_entry, replay_all_golden

Shape = Sequence[int | str]


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Shape]],
    outputs: Mapping[str, tuple[int, Shape]],
    weights: Sequence[onnx.TensorProto] = (),
    opset: int = 17,
) -> onnx.ModelProto:
    """Build a model of `nodes`; `inputs` and `outputs` are types and shapes by name."""
    graph = helper.make_graph(
        nodes, "graph", _values(inputs), _values(outputs), initializer=list(weights)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _values(tensors: Mapping[str, tuple[int, Shape]]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, *value) for name, value in tensors.items()]


def three_inputs_model() -> onnx.ModelProto:
    """Maps rows of numbers, words and flags to sums, the same words, and inverted flags."""
    inputs: dict[str, tuple[int, Shape]] = {
        "numbers": (TensorProto.FLOAT, ["batch", 3]),
        "words": (TensorProto.STRING, ["batch"]),
        "flags": (TensorProto.BOOL, ["batch", "length"]),
    }
    outputs: dict[str, tuple[int, Shape]] = {
        "sums": (TensorProto.FLOAT, ["batch"]),
        "same": (TensorProto.STRING, ["batch"]),
        "inverted": (TensorProto.BOOL, ["batch", "length"]),
    }
    nodes = [
        helper.make_node("ReduceSum", ["numbers", "axis"], ["sums"], keepdims=0),
        helper.make_node("Identity", ["words"], ["same"]),
        helper.make_node("Not", ["flags"], ["inverted"]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    return make_model(nodes, inputs, outputs, [axis])


THREE_INPUTS: dict[str, NDArray[np.generic]] = {
    "numbers": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
    "words": np.array(["one", "zwölf"]),
    "flags": np.array([[True, False], [False, False]]),
}


def publish_tensors_model(
    store: Path, name: str, model: onnx.ModelProto, inputs: Mapping[str, NDArray[np.generic]]
) -> Path:
    """Publish `model` with one golden case; returns the version's folder."""
    build = partial(_build, name=name, model=model, inputs=inputs)
    return publish_version(store, name, build, replay_all_golden)


def _build(
    folder: Path,
    version: int,
    name: str,
    model: onnx.ModelProto,
    inputs: Mapping[str, NDArray[np.generic]],
) -> Manifest:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    outputs = load_graph_fn(path)(inputs)
    return build_manifest(
        folder,
        (name, version),
        Tensors(),
        [graph_file_entry(path, "model", model.graph)],
        {"model": [GoldenCase(inputs, outputs)]},
        preview=encode_png(solid_image(4, 3, (0, 128, 255))),
        atol=1e-6,
    )
