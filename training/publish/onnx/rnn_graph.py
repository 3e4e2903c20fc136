"""A recurrent network as an ONNX graph of fused LSTM or GRU operators.

The graph is written in ONNX's text format. torch's exporter creates the fused operators, too, but
adds fifty slices and concatenations that reorder the gates at load, and fixes the time axis at the
length of its example. Here the weights are stored in ONNX's order.

Shapes: B batch, T time, I input, H hidden, L layers, V vocabulary.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from models_store.tasks import RecurrentState
from training.networks.char_rnn import CharRNN

STATE_NAMES = {"lstm": ("hidden", "cell"), "gru": ("hidden",)}
"""Names of the state's inputs; the name of an output has the prefix `next_`."""

_GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Positions in torch's weights of the gates in ONNX's order: i, o, f, c and z, r, h."""

Array = NDArray[np.float32]
RNN = nn.LSTM | nn.GRU


class StepGraph(nn.Module):
    """The network as the graph computes it: each tensor of the state is an input and an output."""

    def __init__(self, network: nn.Module, inputs: int = 1) -> None:
        super().__init__()
        self.network = network
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        output, after = self.network(*tensors[: self.inputs], tensors[self.inputs :])
        return (output, *after)


def recurrent_states(rnn: RNN) -> tuple[RecurrentState, ...]:
    """Describe the graph's states for the manifest."""
    return tuple(
        RecurrentState(name=name, next=f"next_{name}", layers=rnn.num_layers, width=rnn.hidden_size)
        for name in STATE_NAMES[_cell_kind(rnn)]
    )


def zero_states(states: Iterable[RecurrentState], batch: int) -> dict[str, NDArray[np.generic]]:
    """Return the states before the first step, (L, B, H) each, by name."""
    return {s.name: np.zeros((s.layers, batch, s.width), np.float32) for s in states}


def random_states(
    states: Iterable[RecurrentState], batch: int, scale: float, random: torch.Generator
) -> dict[str, Tensor]:
    """Return states (L, B, H) of normal deviation `scale`, by name, for golden cases."""
    return {
        s.name: scale * torch.randn((s.layers, batch, s.width), generator=random) for s in states
    }


def build_rnn_model(network: CharRNN) -> onnx.ModelProto:
    """`tokens` (B, T) and the state → `logits` (B, T, V) and the next state."""
    return build_step_model(
        network.rnn,
        inputs="int64[batch, time] tokens",
        output=f"float[batch, time, {len(network.head.bias)}] logits",
        before="x_BTI = Gather (embedding, tokens)",
        after="""
            scores = MatMul (h_BTH, head_weight)
            logits = Add (scores, head_bias)""",
        constants={
            "embedding": as_array(network.embedding.weight),
            "head_weight": as_array(network.head.weight.T),
            "head_bias": as_array(network.head.bias),
        },
    )


def build_step_model(
    rnn: RNN, *, inputs: str, output: str, before: str, after: str, constants: Mapping[str, Array]
) -> onnx.ModelProto:
    """Return a graph from `inputs` and the states to `output` and the next states.

    The arguments are in ONNX's text format. The nodes `before` compute `x_BTI`, and the nodes
    `after` read `h_BTH`.
    """
    names = [state.name for state in recurrent_states(rnn)]
    state = f"float[{rnn.num_layers}, batch, {rnn.hidden_size}]"
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17]>
        step ({", ".join([inputs, *(f"{state} {name}" for name in names)])})
            => ({", ".join([output, *(f"{state} next_{name}" for name in names)])}) {{
            {before}
            {_rnn_nodes(rnn, names)}
            {after}
        }}"""
    )
    add_constants(model.graph, {**constants, "direction_axis": np.array([1])})
    for layer in range(rnn.num_layers):
        add_constants(model.graph, _layer_constants(rnn, layer))
    return model


def add_constants(graph: onnx.GraphProto, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Add constants to a graph, by name."""
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())


def as_array(tensor: Tensor) -> Array:
    """Return the values as float32, on the CPU."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _rnn_nodes(rnn: RNN, states: list[str]) -> str:
    """Return nodes from `x_BTI` and the states to `h_BTH` and the next states."""
    nodes = ["y_TBH = Transpose <perm = [1, 0, 2]> (x_BTI)"]
    if rnn.num_layers > 1:
        nodes += [f"{_each_layer(name, rnn)} = Split <axis = 0> ({name})" for name in states]
    nodes += [_layer_nodes(rnn, layer, states) for layer in range(rnn.num_layers)]
    nodes += [
        f"next_{name} = Concat <axis = 0> ({_each_layer(f'next_{name}', rnn)})" for name in states
    ]
    # Back to (B, T, H) before the head: rows of outputs are then written where they are read.
    nodes.append(f"h_BTH = Transpose <perm = [1, 0, 2]> (y{rnn.num_layers - 1}_TBH)")
    return "\n".join(nodes)


def _each_layer(name: str, rnn: RNN) -> str:
    return ", ".join(f"{name}_{layer}" for layer in range(rnn.num_layers))


def _layer_nodes(rnn: RNN, layer: int, states: list[str]) -> str:
    """Return one fused operator, from the layer below to `y{layer}_TBH`."""
    below = f"y{layer - 1}_TBH" if layer else "y_TBH"
    before = [f"{name}_{layer}" if rnn.num_layers > 1 else name for name in states]
    after = [f"next_{name}_{layer}" for name in states]
    cell = _cell_kind(rnn)
    # torch multiplies the reset gate after the recurrent product, as cuDNN does.
    reset = ", linear_before_reset = 1" if cell == "gru" else ""
    inputs = [below, f"W{layer}", f"R{layer}", f"B{layer}", '""', *before]
    return f"""
        {", ".join([f"y{layer}_T1BH", *after])}
            = {cell.upper()} <hidden_size = {rnn.hidden_size}{reset}> ({", ".join(inputs)})
        y{layer}_TBH = Squeeze (y{layer}_T1BH, direction_axis)"""


def _layer_constants(rnn: RNN, layer: int) -> dict[str, Array]:
    weights = dict(rnn.named_parameters())
    order = _GATE_ORDER[_cell_kind(rnn)]

    def in_order(kind: str) -> Array:
        gates = weights[f"{kind}_l{layer}"].chunk(len(order))
        return as_array(torch.cat([gates[index] for index in order]))

    return {
        f"W{layer}": in_order("weight_ih")[None],
        f"R{layer}": in_order("weight_hh")[None],
        f"B{layer}": np.concatenate([in_order("bias_ih"), in_order("bias_hh")])[None],
    }


def _cell_kind(rnn: RNN) -> str:
    return "lstm" if isinstance(rnn, nn.LSTM) else "gru"
