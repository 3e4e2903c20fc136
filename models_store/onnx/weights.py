"""Read the weights of a graph layer by layer from its bytes, without the onnx package.

Shapes: N filters (outputs), C inputs of each, h × w their window; 1 × 1 where there is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.onnx.wire import decode_varints, encode_delimited, iter_fields

DEAD_FILTER_THRESHOLD = 1e-3
"""A filter is dead when none of its weights reaches this share of the layer's largest one."""

# Field numbers of onnx.proto3.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT = 1, 3
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 8, 9
_VALUE_NAME = 1
_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8"}

_INPUT_AXIS_FIRST = ("ConvTranspose", "MatMul")
"""Operators whose weights have inputs on the first axis and outputs on the second."""
_RECURRENT = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True)
class Layer:
    """One operator with weights."""

    name: str
    operator: str
    weights_NChw: NDArray[np.float32]
    output: str
    """The tensor that it computes."""

    @property
    def max_abs_weight(self) -> float:
        """The largest absolute weight."""
        return float(np.abs(self.weights_NChw).max(initial=0.0))

    @property
    def dead_N(self) -> NDArray[np.bool_]:
        """Mask (N,) of filters below the dead threshold; all of them if every weight is zero."""
        max_abs_N = np.abs(self.weights_NChw).reshape(len(self.weights_NChw), -1).max(1)
        return np.asarray(max_abs_N <= DEAD_FILTER_THRESHOLD * self.max_abs_weight)


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: Mapping[str, int]


def read_layers(graph: bytes) -> list[Layer]:
    """Return convolutions, matrix products and recurrent operators with weights, in order.

    A layer has the name of its weights, without the `network.` and `.weight` that training adds.

    Raises:
        ValueError: when the bytes are not an ONNX graph.
    """
    nodes, tensors = [], {}
    for number, _, payload in iter_fields(memoryview(graph)):
        if number == _MODEL_GRAPH:
            for inner, _, content in iter_fields(payload):
                if inner == _GRAPH_NODE:
                    nodes.append(_parse_node(content))
                elif inner == _GRAPH_INITIALIZER:
                    name, tensor = _parse_tensor(content)
                    if tensor is not None:
                        tensors[name] = tensor
    for node in nodes:  # weights that are stored in another precision than they are read in
        if node.operator == "Cast" and node.outputs and node.inputs[0] in tensors:
            tensors[node.outputs[0]] = tensors[node.inputs[0]]
    return [layer for node in nodes for layer in _node_layers(node, tensors)]


def add_output(graph: bytes, tensor: str) -> bytes:
    """Return the graph with `tensor` as an additional output.

    Concatenated protobuf messages merge, nested ones too, so appending a model whose graph has only
    this output adds it to the original.
    """
    value = encode_delimited(_VALUE_NAME, tensor.encode())
    return graph + encode_delimited(_MODEL_GRAPH, encode_delimited(_GRAPH_OUTPUT, value))


def _node_layers(node: _Node, tensors: Mapping[str, NDArray[np.float32]]) -> Iterator[Layer]:
    if not node.outputs:
        return
    count = 2 if node.operator in _RECURRENT else 1
    for name in node.inputs[1 : 1 + count]:
        weights = tensors.get(name)
        weights_NChw = None if weights is None else _to_output_first(node, weights)
        if weights_NChw is not None and weights_NChw.size:
            short = name.removeprefix("network.").removesuffix(".weight")
            yield Layer(short, node.operator, weights_NChw, node.outputs[0])


def _to_output_first(node: _Node, weights: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the weights as (N, C, h, w), or None if the operator has none to show."""
    if node.operator in ("Conv", "ConvTranspose"):
        weights = weights.reshape(*weights.shape, *[1] * (4 - weights.ndim))
    elif node.operator in ("Gemm", "MatMul") and weights.ndim == 2:
        weights = weights[:, :, None, None]
    elif node.operator in _RECURRENT and weights.ndim == 3 and len(weights) == 1:
        return weights[0, :, :, None, None]
    else:
        return None
    if weights.ndim != 4:
        return None  # windows of three dimensions
    swap_axes = node.operator in _INPUT_AXIS_FIRST or (
        node.operator == "Gemm" and not node.integers.get("transB", 0)
    )
    return weights.swapaxes(0, 1) if swap_axes else weights


def _parse_node(content: memoryview) -> _Node:
    inputs, outputs, integers, operator = [], [], {}, ""
    for number, _, payload in iter_fields(content):
        if number == _NODE_INPUT:
            inputs.append(_decode_text(payload))
        elif number == _NODE_OUTPUT:
            outputs.append(_decode_text(payload))
        elif number == _NODE_OPERATOR:
            operator = _decode_text(payload)
        elif number == _NODE_ATTRIBUTE:
            name, value = "", 0
            for inner, integer, text in iter_fields(payload):
                name = _decode_text(text) if inner == _ATTRIBUTE_NAME else name
                value = integer if inner == _ATTRIBUTE_INT else value
            integers[name] = value
    return _Node(operator, tuple(inputs), tuple(outputs), integers)


def _parse_tensor(content: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    """Name and values; None where they are no floating-point numbers."""
    name, kind, shape = "", 0, []
    data = floats = memoryview(b"")
    for number, value, payload in iter_fields(content):
        if number == _TENSOR_DIMS:  # packed into one field, or a field for each
            shape += decode_varints(payload) if payload else [value]
        elif number == _TENSOR_TYPE:
            kind = value
        elif number == _TENSOR_NAME:
            name = _decode_text(payload)
        elif number == _TENSOR_RAW:
            data = payload
        elif number == _TENSOR_FLOATS:
            floats = payload
    if kind not in _DTYPES:
        return name, None
    values = np.frombuffer(data, _DTYPES[kind]) if data else np.frombuffer(floats, "<f4")
    return name, values.astype(np.float32, copy=False).reshape(shape)


def _decode_text(payload: memoryview) -> str:
    return bytes(payload).decode("utf-8", "replace")
