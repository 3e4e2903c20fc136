"""A published LSTM's step graph with 8-bit products.

Weights have a scale for each column and seven bits: processors without VNNI add two products of a
u8 and an s8 in sixteen bits, which eight would overflow (onnxruntime's `reduce_range`).

Scales of activations are fixed. Dynamic quantisation computes one for a whole batch, so that a text
would depend on the texts that share its run. An LSTM's output lies in (-1, 1), so its scale is
known. The first layer's input is one of V characters, so its product with the weights is a table,
in full precision. Sums of whole numbers do not depend on their order, so rows agree exactly.

Shapes: B batch, T time, E embedding, H hidden, L layers, V vocabulary.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.errors import ExportError
from training.publish.onnx.rnn_graph import GraphBuilder

_MICROSOFT = "com.microsoft"
_OPSET, _IR_VERSION = 17, 8
_MAX_WEIGHT = 63
"""Largest absolute weight: seven bits, including the sign."""
_ZERO_POINT, _QUANT_LEVELS = 128, 127

Array = NDArray[np.float32]


def quantize_lstm(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantize a graph of `build_rnn_model`; its inputs and outputs stay the same.

    Raises:
        ExportError: when the graph is not of an LSTM.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    layers = sum(node.op_type == "LSTM" for node in model.graph.node)
    if not layers or "embedding" not in constants:
        raise ExportError("only step graphs of LSTMs can be quantized")
    builder = _StatesGraphBuilder()
    hidden = int(constants["R0"].shape[2])
    builder.split_states(layers)
    body = _build_scan_body(constants, layers, hidden)
    states = [f"{kind}_{layer}" for kind in ("hidden", "cell") for layer in range(layers)]
    builder.add_node(
        "Scan", [*states, "tokens"], [*(f"last_{name}" for name in states), "h_BTH"],
        body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1],
    )  # fmt: skip
    builder.add_constant("head_weight", constants["head_weight"])
    builder.add_constant("head_bias", constants["head_bias"])
    builder.add_node("MatMul", ["h_BTH", "head_weight"], ["scores"])
    builder.add_node("Add", ["scores", "head_bias"], ["logits"])
    builder.join_states(layers)
    graph = helper.make_graph(
        builder.nodes, "step", model.graph.input, model.graph.output, builder.constants
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


class _StatesGraphBuilder(GraphBuilder):
    def split_states(self, layers: int) -> None:
        """Split states (L, B, H) into (B, H) of each layer."""
        self.add_constant("layer_axis", np.array([0]))
        for kind in ("hidden", "cell"):
            parts = [f"{kind}_{layer}_1BH" for layer in range(layers)]
            if layers == 1:
                self.add_node("Identity", [kind], parts)
            else:
                self.add_node("Split", [kind], parts, axis=0)
            for layer, part in enumerate(parts):
                self.add_node("Squeeze", [part, "layer_axis"], [f"{kind}_{layer}"])

    def join_states(self, layers: int) -> None:
        for kind in ("hidden", "cell"):
            parts = [f"next_{kind}_{layer}_1BH" for layer in range(layers)]
            for layer, part in enumerate(parts):
                self.add_node("Unsqueeze", [f"last_{kind}_{layer}", "layer_axis"], [part])
            self.add_node("Concat", parts, [f"next_{kind}"], axis=0)


def _build_scan_body(constants: dict[str, Array], layers: int, hidden: int) -> onnx.GraphProto:
    """Build the graph that processes one character of every text."""
    body = GraphBuilder()
    body.add_constant("step", np.array(1 / _QUANT_LEVELS, np.float32))
    body.add_constant("zero", np.array(_ZERO_POINT, np.uint8))
    body.add_constant("parts_of_gates", np.array([3 * hidden, hidden]))
    for layer in range(layers):
        _add_layer(body, constants, layer)
    body.add_node("Identity", [f"h{layers - 1}_out"], ["y"])
    value, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    states = [f"{kind}{layer}" for kind in ("h", "c") for layer in range(layers)]
    return helper.make_graph(
        body.nodes,
        "character",
        [
            *(value(f"{name}_in", floats, ["batch", hidden]) for name in states),
            value("token", TensorProto.INT64, ["batch"]),
        ],
        [
            *(value(f"{name}_out", floats, ["batch", hidden]) for name in states),
            value("y", floats, ["batch", hidden]),
        ],
        body.constants,
    )


def _add_layer(body: GraphBuilder, constants: dict[str, Array], layer: int) -> None:
    weight, recurrent = constants[f"W{layer}"][0], constants[f"R{layer}"][0]  # (4H, E), (4H, H)
    bias = constants[f"B{layer}"][0].reshape(2, -1).sum(0)
    state = f"h{layer}_in"
    body.add_node("QuantizeLinear", [state, "step", "zero"], [f"{state}_u8"])
    if layer == 0:
        table_VG = (constants["embedding"] @ weight.T + bias).astype(np.float32)
        body.add_constant("table_VG", table_VG)
        body.add_node("Gather", ["table_VG", "token"], ["read_BG"])
        _add_product(body, layer, f"{state}_u8", recurrent.T, None)
        body.add_node("Add", [f"product{layer}_BG", "read_BG"], [f"gates{layer}"])
    else:
        below = f"h{layer - 1}_out"
        body.add_node("QuantizeLinear", [below, "step", "zero"], [f"{below}_u8_for{layer}"])
        body.add_node("Concat", [f"{below}_u8_for{layer}", f"{state}_u8"], [f"both{layer}"], axis=1)
        _add_product(body, layer, f"both{layer}", np.concatenate([weight.T, recurrent.T]), bias)
        body.add_node("Identity", [f"product{layer}_BG"], [f"gates{layer}"])
    _add_gates(body, layer)


def _add_product(
    body: GraphBuilder, layer: int, x_u8: str, weight_KG: Array, bias_G: Array | None
) -> None:
    scale_G = np.maximum(np.abs(weight_KG).max(0), 1e-9) / _MAX_WEIGHT
    body.add_constant(f"weight{layer}_KG", np.rint(weight_KG / scale_G).astype(np.int8))
    body.add_constant(f"scale{layer}_G", scale_G.astype(np.float32))
    inputs = [x_u8, f"weight{layer}_KG", "step", f"scale{layer}_G", "zero"]
    if bias_G is not None:
        body.add_constant(f"bias{layer}_G", bias_G.astype(np.float32))
        inputs += ["", f"bias{layer}_G"]
    body.add_node("MatMulIntegerToFloat", inputs, [f"product{layer}_BG"], domain=_MICROSOFT)


def _add_gates(body: GraphBuilder, layer: int) -> None:
    """Compute the next state from input, output, forget and candidate gates, in ONNX's order."""
    at = str(layer)
    body.add_node(
        "Split", [f"gates{at}", "parts_of_gates"], [f"opening{at}", f"candidate{at}"], axis=1
    )
    body.add_node("Sigmoid", [f"opening{at}"], [f"open{at}"])
    body.add_node("Tanh", [f"candidate{at}"], [f"new{at}"])
    body.add_node("Split", [f"open{at}"], [f"i{at}", f"o{at}", f"f{at}"], axis=1)
    body.add_node("Mul", [f"f{at}", f"c{at}_in"], [f"remembered{at}"])
    body.add_node("Mul", [f"i{at}", f"new{at}"], [f"added{at}"])
    body.add_node("Add", [f"remembered{at}", f"added{at}"], [f"c{at}_out"])
    body.add_node("Tanh", [f"c{at}_out"], [f"shown{at}"])
    body.add_node("Mul", [f"o{at}", f"shown{at}"], [f"h{at}_out"])
