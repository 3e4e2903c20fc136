"""Weights stored as float16 in a graph that computes in float32: half the bytes in the store.

Each is followed by a Cast, which onnxruntime folds when it loads the graph: a run costs the same.
"""

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT16_SUFFIX = ".float16"
"""Ends the name of a constant that is stored as float16."""

_MIN_VALUES = 1024
"""Elements; smaller constants (biases, scales) stay exact."""


def store_as_float16(model: ModelProto) -> int:
    """Round the large float32 constants of `model` to float16, in place; return their number.

    A constant beyond float16's range stays. The output of the Cast has the name that the graph
    reads, so a layer keeps the name of its weights.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _MIN_VALUES:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(
            numpy_helper.from_array(values.astype(np.float16), f"{name}{FLOAT16_SUFFIX}")
        )
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
    _forget_types(graph, {node.output[0] for node in casts})
    return len(casts)


def _forget_types(graph: onnx.GraphProto, names: set[str]) -> None:
    """Remove the recorded types of values that are no longer constants."""
    for value in [value for value in graph.value_info if value.name in names]:
        graph.value_info.remove(value)
