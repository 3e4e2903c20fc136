"""A recurrent network as an ONNX graph of fused LSTM or GRU operators.

The graph is written node by node. torch's exporter creates the fused operators, too, but adds fifty
slices and concatenations that reorder the gates at load, and fixes the time axis at the length of
its example. Here the weights are stored in ONNX's order.

Shapes: B batch, T time, E embedding, H hidden, L layers, V vocabulary.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.networks.char_rnn import CharRNN

_OPSET, _IR_VERSION = 17, 8
STATE_NAMES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}
"""Names of the state's inputs; the name of an output has the prefix `next_`."""

_GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Positions in torch's weights of the gates in ONNX's order: i, o, f, c and z, r, h."""

Array = NDArray[np.float32]
RNN = nn.LSTM | nn.GRU
ValueSpecs = Mapping[str, tuple[int, list[str | int | None]]]
"""Type and shape by name."""


class StepGraph(nn.Module):
    """The network as the graph computes it: state in and out as separate tensors."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens_BT: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits_BTV, after = self.network(tokens_BT, state)
        return (logits_BTV, *after)


def build_rnn_model(network: CharRNN) -> onnx.ModelProto:
    """`tokens` (B, T) and the state → `logits` (B, T, V) and the next state."""
    builder = StepGraphBuilder()
    builder.add_constant("embedding", as_array(network.embedding.weight))
    builder.add_constant("head_weight", np.ascontiguousarray(as_array(network.head.weight).T))
    builder.add_constant("head_bias", as_array(network.head.bias))

    builder.add_node("Gather", ["embedding", "tokens"], ["embedded_BTE"])
    builder.add_rnn(network.rnn, "embedded_BTE", "h_BTH")
    builder.add_node("MatMul", ["h_BTH", "head_weight"], ["scores"])
    builder.add_node("Add", ["scores", "head_bias"], ["logits"])
    return builder.build(
        network.rnn,
        inputs={"tokens": (TensorProto.INT64, ["batch", "time"])},
        outputs={"logits": (TensorProto.FLOAT, ["batch", "time", len(network.head.bias)])},
    )


def as_array(tensor: Tensor) -> Array:
    """Return the values as float32, on the CPU."""
    return tensor.detach().float().cpu().numpy()


class GraphBuilder:
    """Nodes and constants of a graph, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add_constant(self, name: str, value: NDArray[np.generic]) -> None:
        self.constants.append(numpy_helper.from_array(value, name))

    def add_node(
        self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any
    ) -> None:
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))


class StepGraphBuilder(GraphBuilder):
    """Builds a step graph of fused LSTM or GRU operators."""

    def add_rnn(self, rnn: RNN, x: str, y: str) -> None:
        """`x` (B, T, E) and the graph's states → `y` (B, T, H) and its next states."""
        self.add_constant("direction_axis", np.array([1]))
        self.add_node("Transpose", [x], ["x_TBE"], perm=[1, 0, 2])
        states = _state_names(rnn)
        per_layer = {name: [f"{name}_{i}" for i in range(rnn.num_layers)] for name in states}
        for name in states:
            if rnn.num_layers == 1:
                per_layer[name] = [name]
            else:
                self.add_node("Split", [name], per_layer[name], axis=0)
        layer_input = "x_TBE"
        for layer in range(rnn.num_layers):
            layer_input = self._add_layer(
                rnn, layer, layer_input, [per_layer[name][layer] for name in states]
            )
        for name in states:
            next_states = [f"next_{name}_{layer}" for layer in range(rnn.num_layers)]
            self.add_node("Concat", next_states, [f"next_{name}"], axis=0)
        # Back to (B, T, H) before the head: rows of outputs are then written where they are read.
        self.add_node("Transpose", [layer_input], [y], perm=[1, 0, 2])

    def _add_layer(self, rnn: RNN, layer: int, x: str, state: list[str]) -> str:
        """Add one fused operator; return the name of its output (T, B, H)."""
        cell = _cell_kind(rnn)
        weights = dict(rnn.named_parameters())
        order = _GATE_ORDER[cell]
        self.add_constant(f"W{layer}", _reorder_gates(weights[f"weight_ih_l{layer}"], order)[None])
        self.add_constant(f"R{layer}", _reorder_gates(weights[f"weight_hh_l{layer}"], order)[None])
        biases = [_reorder_gates(weights[f"bias_{kind}_l{layer}"], order) for kind in ("ih", "hh")]
        self.add_constant(f"B{layer}", np.concatenate(biases)[None])
        inputs = [x, f"W{layer}", f"R{layer}", f"B{layer}", "", *state]
        last_states = [f"next_{name}_{layer}" for name in STATE_NAMES[cell]]
        # torch multiplies the reset gate after the recurrent product, as cuDNN does.
        extra = {"linear_before_reset": 1} if cell == "gru" else {}
        size = rnn.hidden_size
        self.add_node(
            cell.upper(), inputs, [f"y{layer}_T1BH", *last_states], hidden_size=size, **extra
        )
        self.add_node("Squeeze", [f"y{layer}_T1BH", "direction_axis"], [f"y{layer}_TBH"])
        return f"y{layer}_TBH"

    def build(self, rnn: RNN, inputs: ValueSpecs, outputs: ValueSpecs) -> onnx.ModelProto:
        """Return the graph with these inputs and outputs, and the states."""
        states, value = _state_names(rnn), helper.make_tensor_value_info
        shape: list[str | int | None] = [rnn.num_layers, "batch", rnn.hidden_size]
        floats = TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "step",
            [
                *(value(name, *spec) for name, spec in inputs.items()),
                *(value(name, floats, shape) for name in states),
            ],
            [
                *(value(name, *spec) for name, spec in outputs.items()),
                *(value(f"next_{name}", floats, shape) for name in states),
            ],
            self.constants,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)


def _cell_kind(rnn: RNN) -> str:
    return "lstm" if isinstance(rnn, nn.LSTM) else "gru"


def _state_names(rnn: RNN) -> tuple[str, ...]:
    return STATE_NAMES[_cell_kind(rnn)]


def _reorder_gates(tensor: Tensor, order: tuple[int, ...]) -> Array:
    """Return gates, stacked along the first axis, in `order`."""
    parts = tensor.detach().chunk(len(order))
    return as_array(torch.cat([parts[index] for index in order]))
