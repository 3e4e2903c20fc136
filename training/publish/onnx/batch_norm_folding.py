"""Batch norms folded into the layers before them, in a graph that is to be served.

The exporter folds norms that directly follow a convolution. This module folds two more kinds: norms
after a pixel shuffle, which only permutes values, so that a channel of the norm is r² channels of
the convolution; and norms after a max pooling, which commute with it if all slopes are positive.

In evaluation a norm is y = a x + b for each channel; see `training.course.batch_norm.fold`.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

_Floats = NDArray[np.float32]


def fold_batch_norms(model: ModelProto) -> int:
    """Fold in place every norm that can be folded; return their number.

    A norm stays if another node also reads its input, or if the weights are not constants.
    """
    folded = 0
    for norm in [node for node in model.graph.node if node.op_type == "BatchNormalization"]:
        folded += _fold_norm(model, norm)
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
    if any(name not in constants for name in needed) or _group(source) != 1:
        return False
    scale, shift, mean, variance = (_array(constants[name]) for name in norm.input[1:5])
    slope = scale / np.sqrt(variance + _epsilon(norm))
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
    output = norm.output[0]
    original = source.input[1]
    del source.input[1:]
    _drop_unused(model)
    # A layer is shown under the name of its weights: they keep it where no other node reads them.
    shared = any(tensor.name == original for tensor in model.graph.initializer)
    names = [f"{output}.folded_weight" if shared else original, f"{output}.folded_bias"]
    for name, values in zip(names, (weight, bias), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    source.input.extend(names)
    (source if between is None else between).output[0] = output
    model.graph.node.remove(norm)
    _drop_unused(model)


def _drop_unused(model: ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    used |= {value.name for value in model.graph.output}
    for tensor in [t for t in model.graph.initializer if t.name not in used]:
        model.graph.initializer.remove(tensor)
    produced = {name for node in model.graph.node for name in node.output}
    for value in [v for v in model.graph.value_info if v.name not in produced]:
        model.graph.value_info.remove(value)


def _sole_producer(model: ModelProto, name: str) -> NodeProto | None:
    """Return the node that outputs `name`, if only one other node reads it."""
    readers = [node for node in model.graph.node if name in node.input]
    makers = [node for node in model.graph.node if name in node.output]
    is_output = any(value.name == name for value in model.graph.output)
    return makers[0] if makers and len(readers) == 1 and not is_output else None


def _attributes(node: NodeProto) -> dict[str, object]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _shuffle_factor(node: NodeProto) -> int:
    """Return r², 0 if channels are moved in another order than torch's, or 1 for a pooling."""
    attributes = _attributes(node)
    if node.op_type == "MaxPool":
        return 1
    if attributes.get("mode") != b"CRD":
        return 0
    return int(str(attributes["blocksize"])) ** 2


def _group(node: NodeProto) -> int:
    return int(str(_attributes(node).get("group", 1)))


def _epsilon(norm: NodeProto) -> float:
    return float(str(_attributes(norm).get("epsilon", 1e-5)))


def _array(tensor: onnx.TensorProto) -> _Floats:
    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
