"""Batch norms folded into the layers before them, in a graph that is to be served.

The exporter folds norms that directly follow a convolution. This module folds two more kinds: norms
after a pixel shuffle, which only permutes values, so that a channel of the norm is r² channels of
the convolution; and norms after a max pooling, which commute with it if all slopes are positive.

In evaluation a norm is y = a x + b for each channel; see `training.course.batch_norm.fold`.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper
from onnxscript.optimizer import remove_unused_nodes

_Floats = NDArray[np.float32]


def fold_batch_norms(model: ModelProto) -> int:
    """Fold in place every norm that can be folded; return their number.

    A norm stays if another node also reads its input, or if the weights are not constants.
    """
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    folded = sum(_fold_norm(model, norm) for norm in norms)
    if folded:
        remove_unused_nodes(model)
        produced = {name for node in model.graph.node for name in node.output}
        for value in [v for v in model.graph.value_info if v.name not in produced]:
            model.graph.value_info.remove(value)
    return folded


def _fold_norm(model: ModelProto, norm: NodeProto) -> bool:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    source = _sole_producer(model, norm.input[0])
    repeat, between = 1, None
    if source is not None and source.op_type in ("DepthToSpace", "MaxPool"):
        between, repeat = source, _shuffle_factor(source)
        source = _sole_producer(model, source.input[0])
    if source is None or source.op_type not in ("Conv", "ConvTranspose") or not repeat:
        return False
    needed = [*source.input[1:], *norm.input[1:]]
    if any(name not in constants for name in needed) or _attribute(source, "group", 1) != 1:
        return False
    scale, shift, mean, variance = (_array(constants[name]) for name in norm.input[1:5])
    slope = scale / np.sqrt(variance + _attribute(norm, "epsilon", 1e-5))
    if between is not None and between.op_type == "MaxPool" and (slope <= 0).any():
        return False
    offset = shift - mean * slope
    # A pixel shuffle takes channel c from channels c r² to c r² + r² - 1 (mode CRD).
    slope, offset = np.repeat(slope, repeat), np.repeat(offset, repeat)
    weight = _array(constants[source.input[1]])
    bias = _array(constants[source.input[2]]) if len(source.input) > 2 else np.zeros_like(offset)
    outputs_axis = 0 if source.op_type == "Conv" else 1
    shape = [1] * weight.ndim
    shape[outputs_axis] = -1
    _rewire(model, source, between, norm, weight * slope.reshape(shape), bias * slope + offset)
    return True


def _rewire(
    model: ModelProto,
    source: NodeProto,
    between: NodeProto | None,
    norm: NodeProto,
    weight: _Floats,
    bias: _Floats,
) -> None:
    """Give `source` its own constants, and rename the output of the norm's predecessor to it."""
    graph, output, original = model.graph, norm.output[0], source.input[1]
    name = f"{output}.folded_weight"
    # A layer is shown under the name of its weights: they keep it where no other node reads them.
    if sum(original in node.input for node in graph.node) == 1:
        name = original
        graph.initializer.remove(next(t for t in graph.initializer if t.name == original))
    del source.input[1:]
    constants = {name: weight, f"{output}.folded_bias": bias}
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    source.input.extend(constants)
    (source if between is None else between).output[0] = output
    graph.node.remove(norm)


def _sole_producer(model: ModelProto, name: str) -> NodeProto | None:
    """Return the node that outputs `name`, if only one other node reads it."""
    readers = [node for node in model.graph.node if name in node.input]
    makers = [node for node in model.graph.node if name in node.output]
    is_output = any(value.name == name for value in model.graph.output)
    return makers[0] if makers and len(readers) == 1 and not is_output else None


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return values.get(name, default)


def _shuffle_factor(node: NodeProto) -> int:
    """Return r², 0 if channels are moved in another order than torch's, or 1 for a pooling."""
    if node.op_type == "MaxPool":
        return 1
    in_torchs_order = _attribute(node, "mode", b"DCR") == b"CRD"
    return int(_attribute(node, "blocksize", 0)) ** 2 if in_torchs_order else 0


def _array(tensor: onnx.TensorProto) -> _Floats:
    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
