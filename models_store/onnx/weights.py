"""The weights of a graph, layer by layer, read from its bytes without the onnx package.

Shapes: N filters (outputs), C inputs of each, h × w their window; 1 × 1 where there is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.onnx.wire import delimited, fields, varints

__all__ = ["DEAD_BELOW", "Layer", "layers", "with_output"]

DEAD_BELOW = 1e-3
"""A filter is dead when none of its weights reaches this share of the layer's largest one."""

# Field numbers of onnx.proto3.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT = 1, 3
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 8, 9
_VALUE_NAME = 1
_DTYPES = {1: "<f4", 10: "<f2", 11: "<f8"}

_OUTPUTS_SECOND = ("ConvTranspose", "MatMul")
"""Operators whose weights have the inputs on the first axis, the outputs on the second."""
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
    def largest(self) -> float:
        """The largest absolute weight."""
        return float(np.abs(self.weights_NChw).max(initial=0.0))

    @property
    def dead_N(self) -> NDArray[np.bool_]:
        """Which filters do next to nothing; all of them where every weight is zero."""
        strongest_N = np.abs(self.weights_NChw).reshape(len(self.weights_NChw), -1).max(1)
        return np.asarray(strongest_N <= DEAD_BELOW * self.largest)


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: Mapping[str, int]


def layers(graph: bytes) -> list[Layer]:
    """Convolutions, matrix products and recurrent operators with weights of their own, in order.

    A layer is called as its weights are, without `network.` and `.weight`, which training adds.

    Raises:
        ValueError: when this is no ONNX graph.
    """
    nodes, tensors = [], {}
    for number, _, payload in fields(memoryview(graph)):
        if number == _MODEL_GRAPH:
            for inner, _, content in fields(payload):
                if inner == _GRAPH_NODE:
                    nodes.append(_node(content))
                elif inner == _GRAPH_INITIALIZER:
                    name, tensor = _tensor(content)
                    if tensor is not None:
                        tensors[name] = tensor
    return [layer for node in nodes for layer in _layers_of(node, tensors)]


def with_output(graph: bytes, tensor: str) -> bytes:
    """The same graph, which also gives `tensor`.

    Two messages one after the other are, in protobuf, one message with the fields of both, and so
    for messages within: what is appended here is a model whose graph has this output alone.
    """
    value = delimited(_VALUE_NAME, tensor.encode())
    return graph + delimited(_MODEL_GRAPH, delimited(_GRAPH_OUTPUT, value))


def _layers_of(node: _Node, tensors: Mapping[str, NDArray[np.float32]]) -> Iterator[Layer]:
    if not node.outputs:
        return
    count = 2 if node.operator in _RECURRENT else 1
    for name in node.inputs[1 : 1 + count]:
        weights = tensors.get(name)
        oriented = None if weights is None else _oriented(node, weights)
        if oriented is not None and oriented.size:
            short = name.removeprefix("network.").removesuffix(".weight")
            yield Layer(short, node.operator, oriented, node.outputs[0])


def _oriented(node: _Node, weights: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Weights as (N, C, h, w), or None where the operator has none that could be shown."""
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
    swapped = node.operator in _OUTPUTS_SECOND or (
        node.operator == "Gemm" and not node.integers.get("transB", 0)
    )
    return weights.swapaxes(0, 1) if swapped else weights


def _node(content: memoryview) -> _Node:
    inputs, outputs, integers, operator = [], [], {}, ""
    for number, _, payload in fields(content):
        if number == _NODE_INPUT:
            inputs.append(_text(payload))
        elif number == _NODE_OUTPUT:
            outputs.append(_text(payload))
        elif number == _NODE_OPERATOR:
            operator = _text(payload)
        elif number == _NODE_ATTRIBUTE:
            name, value = "", 0
            for inner, integer, text in fields(payload):
                name = _text(text) if inner == _ATTRIBUTE_NAME else name
                value = integer if inner == _ATTRIBUTE_INT else value
            integers[name] = value
    return _Node(operator, tuple(inputs), tuple(outputs), integers)


def _tensor(content: memoryview) -> tuple[str, NDArray[np.float32] | None]:
    """Name and values; None where they are no floating-point numbers."""
    name, kind, shape = "", 0, []
    data = floats = memoryview(b"")
    for number, value, payload in fields(content):
        if number == _TENSOR_DIMS:  # packed into one field, or a field for each
            shape += varints(payload) if payload else [value]
        elif number == _TENSOR_TYPE:
            kind = value
        elif number == _TENSOR_NAME:
            name = _text(payload)
        elif number == _TENSOR_RAW:
            data = payload
        elif number == _TENSOR_FLOATS:
            floats = payload
    if kind not in _DTYPES:
        return name, None
    values = np.frombuffer(data, _DTYPES[kind]) if data else np.frombuffer(floats, "<f4")
    return name, values.astype(np.float32, copy=False).reshape(shape)


def _text(payload: memoryview) -> str:
    return bytes(payload).decode("utf-8", "replace")
