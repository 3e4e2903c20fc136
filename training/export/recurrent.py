"""A character RNN as an ONNX graph of fused LSTM or GRU operators.

Written node by node. The exporter gives the fused operators too, but among fifty slices and
concatenations that put torch's order of gates into ONNX's at load, and with the time axis fixed at
the length of its example; these are the same weights in the right order from the start.

Shapes: B batch, T time, E embedding, H hidden, L layers, V vocabulary.
"""

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.networks.char_rnn import CharRNN

__all__ = ["STATES", "StepGraph", "recurrent_model"]

_OPSET, _IR_VERSION = 17, 8
STATES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}
"""Names of the state's inputs; an output is called `next_` and the same."""

_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Where torch keeps the gates that ONNX wants in the order i, o, f, c and z, r, h."""

Array = NDArray[np.float32]


class StepGraph(nn.Module):
    """The network as the graph computes it: state in and out as separate tensors."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens_BT: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits_BTV, after = self.network(tokens_BT, state)
        return (logits_BTV, *after)


def recurrent_model(network: CharRNN) -> onnx.ModelProto:
    """`tokens` (B, T) and the state → `logits` (B, T, V) and the next state."""
    config, graph = network.config, _Nodes()
    states = STATES[config.cell]
    graph.constant("embedding", _array(network.embedding.weight))
    graph.constant("direction_axis", np.array([1]))
    graph.constant("head_weight", np.ascontiguousarray(_array(network.head.weight).T))
    graph.constant("head_bias", _array(network.head.bias))

    graph.add("Gather", ["embedding", "tokens"], ["embedded_BTE"])
    graph.add("Transpose", ["embedded_BTE"], ["x_TBE"], perm=[1, 0, 2])
    per_layer = {name: [f"{name}_{i}" for i in range(config.layers)] for name in states}
    for name in states:
        if config.layers == 1:
            per_layer[name] = [name]
        else:
            graph.add("Split", [name], per_layer[name], axis=0)

    x = "x_TBE"
    for layer in range(config.layers):
        x = _layer(graph, network, layer, x, [per_layer[name][layer] for name in states])
    for name in states:
        lasts = [f"next_{name}_{layer}" for layer in range(config.layers)]
        graph.add("Concat", lasts, [f"next_{name}"], axis=0)
    # Back to (B, T, H) before the head: rows of logits are then written where they are read.
    graph.add("Transpose", [x], ["h_BTH"], perm=[1, 0, 2])
    graph.add("MatMul", ["h_BTH", "head_weight"], ["scores"])
    graph.add("Add", ["scores", "head_bias"], ["logits"])
    return graph.model(config, states, len(network.head.bias))


def _layer(graph: "_Nodes", network: CharRNN, layer: int, x: str, state: list[str]) -> str:
    """One fused operator; returns the name of its output (T, B, H)."""
    cell = network.config.cell
    weights = dict(network.rnn.named_parameters())
    order = _GATES[cell]
    graph.constant(f"W{layer}", _gates(weights[f"weight_ih_l{layer}"], order)[None])
    graph.constant(f"R{layer}", _gates(weights[f"weight_hh_l{layer}"], order)[None])
    biases = [_gates(weights[f"bias_{kind}_l{layer}"], order) for kind in ("ih", "hh")]
    graph.constant(f"B{layer}", np.concatenate(biases)[None])
    inputs = [x, f"W{layer}", f"R{layer}", f"B{layer}", "", *state]
    lasts = [f"next_{name}_{layer}" for name in STATES[cell]]
    # torch multiplies the reset gate after the recurrent product, as cuDNN does.
    extra = {"linear_before_reset": 1} if cell == "gru" else {}
    hidden = network.config.hidden
    graph.add(cell.upper(), inputs, [f"y{layer}_T1BH", *lasts], hidden_size=hidden, **extra)
    graph.add("Squeeze", [f"y{layer}_T1BH", "direction_axis"], [f"y{layer}_TBH"])
    return f"y{layer}_TBH"


def _gates(tensor: Tensor, order: tuple[int, ...]) -> Array:
    """Gates stacked along the first axis, put into `order`."""
    parts = tensor.detach().chunk(len(order))
    return _array(torch.cat([parts[index] for index in order]))


def _array(tensor: Tensor) -> Array:
    return tensor.detach().float().cpu().numpy()


class _Nodes:
    """Nodes and constants of a graph, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> None:
        self._constants.append(numpy_helper.from_array(value, name))

    def add(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def model(
        self, config: CharRNN.Config, states: tuple[str, ...], vocabulary: int
    ) -> onnx.ModelProto:
        shape: list[str | int | None] = [config.layers, "batch", config.hidden]
        floats, value = TensorProto.FLOAT, helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes,
            "step",
            [
                value("tokens", TensorProto.INT64, ["batch", "time"]),
                *(value(name, floats, shape) for name in states),
            ],
            [
                value("logits", floats, ["batch", "time", vocabulary]),
                *(value(f"next_{name}", floats, shape) for name in states),
            ],
            self._constants,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
