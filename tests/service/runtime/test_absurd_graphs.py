"""Absurd graphs with matching hashes fail with a reason."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.runtime.registry import Registry
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.models_store.tampering import replace_file

_MEANS = [
    helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
]
_SOFTMAX = helper.make_node("Softmax", ["means"], ["probabilities"], axis=1)


def _graph(
    nodes: Sequence[onnx.NodeProto],
    *weights: onnx.TensorProto,
    opset: int = 17,
    ir_version: int = 8,
    domain: str | None = None,
    shape: Sequence[int | str] = ("batch", 8, 8, 3),
) -> bytes:
    """Return a graph from `images` to `probabilities` as `MeanColorClassifier`, of other nodes."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, shape)
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1)] if domain else []
    graph = helper.make_graph(nodes, "graph", [images], [output], list(weights))
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    content: bytes = proto.SerializeToString()
    return content


def _numbers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _vast(floats: int) -> bytes:
    """Return a graph that makes that many zeros for each image."""
    return _graph(
        [
            *_MEANS,
            helper.make_node("Shape", ["images"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["batch"]),
            helper.make_node("Mul", ["batch", "floats_each"], ["many"]),
            helper.make_node("ConstantOfShape", ["many"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["means", "sum"], ["shifted"]),
            helper.make_node("Softmax", ["shifted"], ["probabilities"], axis=1),
        ],
        _numbers("zero", 0),
        _numbers("floats_each", floats),
    )


def _weights(dims: Sequence[int]) -> bytes:
    """Return weights that declare `dims` but have only 36 bytes."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(36))
    return _graph([*_MEANS, helper.make_node("MatMul", ["means", "w"], ["probabilities"])], tensor)


_DIVINE: dict[str, Any] = {"inputs": ["images"], "outputs": ["probabilities"]}
GRAPHS = {
    "a later opset": (_graph([*_MEANS, _SOFTMAX], opset=99), "support .* is till opset"),
    "an opset that never was": (_graph([*_MEANS, _SOFTMAX], opset=0), "No Op registered for Cast"),
    "a later format": (_graph([*_MEANS, _SOFTMAX], ir_version=99), "Unsupported model IR version"),
    "a custom operator": (
        _graph([helper.make_node("Divine", domain="org.x", **_DIVINE)], domain="org.x"),
        r"org\.x:Divine.* is not a registered function/op",
    ),
    "a program as operator": (
        _graph([helper.make_node("PyOp", domain="com.microsoft", **_DIVINE)]),
        "PyOp.* is not a registered function/op",
    ),
    "weights of 2^80": (_weights([2**40, 2**40]), "Incompatible dimensions"),
    "weights of negative size": (_weights([-3, 3]), "Out of bounds dimensions"),
    "a reshape to a negative size": (
        _graph(
            [
                helper.make_node("Reshape", ["images", "to"], ["other"]),
                helper.make_node("Cast", ["other"], ["probabilities"], to=TensorProto.FLOAT),
            ],
            _numbers("to", -7, 3),
        ),
        "Invalid dimension value: -7",
    ),
    "16 TiB of memory": (_vast(2**42), "Failed to allocate memory .* 17592186044416"),
    "memory of 2^62 floats": (_vast(2**62), "size overflowed"),
    "an input from nowhere": (
        _graph([helper.make_node("Cast", ["x"], ["probabilities"], to=TensorProto.FLOAT)]),
        "Node input 'x' is not a graph input",
    ),
    "a circle": (
        _graph(
            [
                helper.make_node("Add", ["probabilities", "x"], ["x"]),
                helper.make_node("Add", ["x", "x"], ["probabilities"]),
            ]
        ),
        "the graph is not acyclic",
    ),
    "images without pixels": (
        _graph([*_MEANS, _SOFTMAX], shape=("batch", 0, 0, 3)),
        r"has inputs images uint8\[\?, 0, 0, 3\], the manifest states",
    ),
    "images of 2^80 pixels": (
        _graph([*_MEANS, _SOFTMAX], shape=("batch", 2**40, 2**40, 3)),
        "has inputs images .*, the manifest states",
    ),
    "half a graph": (_graph([*_MEANS, _SOFTMAX])[:-20], "is not ONNX: a field is"),
}  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    store: Path = tmp_path_factory.mktemp("store")
    publish_image_model(store, "good", MeanColorClassifier())
    for number, (graph, _) in enumerate(GRAPHS.values()):
        replace_file(
            publish_image_model(store, f"odd-{number}", MeanColorClassifier()), "model.onnx", graph
        )
    registry = Registry(store, threads=2)
    registry.refresh()
    return registry


@pytest.mark.parametrize("graph_name", GRAPHS)
def test_an_absurd_graph_is_failed_with_a_reason_in_one_line(
    registry: Registry, graph_name: str
) -> None:
    number = list(GRAPHS).index(graph_name)
    entry = registry.catalog.versions[f"odd-{number}", 1]
    assert entry.state == "failed"
    reason = entry.reason or ""
    assert re.search(GRAPHS[graph_name][1], reason), reason
    assert len(reason) < 500
    assert "\n" not in reason
    assert "::" not in reason
    assert "onnxruntime_src" not in reason


def test_the_others_serve(registry: Registry) -> None:
    assert registry.catalog.versions["good", 1].state == "ready"
