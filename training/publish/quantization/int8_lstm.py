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
from onnx import helper, numpy_helper

from training.errors import ExportError
from training.publish.onnx.rnn_graph import add_constants

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
    states = [(kind, layer) for kind in ("hidden", "cell") for layer in range(layers)]
    before = ", ".join(f"{kind}_{layer}" for kind, layer in states)
    after = ", ".join(f"last_{kind}_{layer}" for kind, layer in states)
    quantized = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1]>
        step () => () {{
            {_split_states(layers)}
            {after}, h_BTH
                = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1]>
                ({before}, tokens)
            scores = MatMul (h_BTH, head_weight)
            logits = Add (scores, head_bias)
            {_join_states(layers)}
        }}"""
    )
    graph = quantized.graph
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    kept = {name: constants[name] for name in ("head_weight", "head_bias")}
    add_constants(graph, {"layer_axis": np.array([0]), **kept})
    (scan,) = (node for node in graph.node if node.op_type == "Scan")
    scan.attribute.append(helper.make_attribute("body", _build_scan_body(constants, layers)))
    return quantized


def _split_states(layers: int) -> str:
    """Split states (L, B, H) into (B, H) of each layer."""
    nodes = []
    for kind in ("hidden", "cell"):
        parts = [f"{kind}_{layer}" for layer in range(layers)]
        operator = "Identity" if layers == 1 else "Split <axis = 0>"
        nodes.append(f"{', '.join(f'{part}_1BH' for part in parts)} = {operator} ({kind})")
        nodes += [f"{part} = Squeeze ({part}_1BH, layer_axis)" for part in parts]
    return "\n".join(nodes)


def _join_states(layers: int) -> str:
    nodes = []
    for kind in ("hidden", "cell"):
        parts = [f"{kind}_{layer}" for layer in range(layers)]
        nodes += [f"next_{part}_1BH = Unsqueeze (last_{part}, layer_axis)" for part in parts]
        joined = ", ".join(f"next_{part}_1BH" for part in parts)
        nodes.append(f"next_{kind} = Concat <axis = 0> ({joined})")
    return "\n".join(nodes)


def _build_scan_body(constants: dict[str, Array], layers: int) -> onnx.GraphProto:
    """Build the graph that processes one character of every text."""
    hidden = int(constants["R0"].shape[2])
    state = f"float[batch, {hidden}]"
    names = [f"{kind}{layer}" for kind in ("h", "c") for layer in range(layers)]
    body = onnx.parser.parse_graph(
        f"""character ({", ".join(f"{state} {name}_in" for name in names)}, int64[batch] token)
            => ({", ".join(f"{state} {name}_out" for name in names)}, {state} y) {{
            {"".join(map(_layer_nodes, range(layers)))}
            y = Identity (h{layers - 1}_out)
        }}"""
    )
    add_constants(
        body,
        {
            "step": np.array(1 / _QUANT_LEVELS, np.float32),
            "zero": np.array(_ZERO_POINT, np.uint8),
            "parts_of_gates": np.array([3 * hidden, hidden]),
        },
    )
    for layer in range(layers):
        add_constants(body, _layer_constants(constants, layer))
    return body


def _layer_nodes(layer: int) -> str:
    """Return the nodes of one layer; the gates are input, output, forget and candidate."""
    below, at = layer - 1, layer
    inputs = f"weight{at}_KG, step, scale{at}_G, zero"
    product = "com.microsoft.MatMulIntegerToFloat"
    if layer == 0:
        gates = f"""
        read_BG = Gather (table_VG, token)
        product0_BG = {product} (h0_in_u8, {inputs})
        gates0 = Add (product0_BG, read_BG)"""
    else:
        gates = f"""
        h{below}_out_u8_for{at} = QuantizeLinear (h{below}_out, step, zero)
        both{at} = Concat <axis = 1> (h{below}_out_u8_for{at}, h{at}_in_u8)
        gates{at} = {product} (both{at}, {inputs}, "", bias{at}_G)"""
    return f"""
        h{at}_in_u8 = QuantizeLinear (h{at}_in, step, zero){gates}
        opening{at}, candidate{at} = Split <axis = 1> (gates{at}, parts_of_gates)
        open{at} = Sigmoid (opening{at})
        new{at} = Tanh (candidate{at})
        i{at}, o{at}, f{at} = Split <axis = 1> (open{at})
        remembered{at} = Mul (f{at}, c{at}_in)
        added{at} = Mul (i{at}, new{at})
        c{at}_out = Add (remembered{at}, added{at})
        shown{at} = Tanh (c{at}_out)
        h{at}_out = Mul (o{at}, shown{at})"""


def _layer_constants(constants: dict[str, Array], layer: int) -> dict[str, NDArray[np.generic]]:
    weight, recurrent = constants[f"W{layer}"][0], constants[f"R{layer}"][0]  # (4H, E), (4H, H)
    bias_G = constants[f"B{layer}"][0].reshape(2, -1).sum(0)
    weight_KG = recurrent.T if layer == 0 else np.concatenate([weight.T, recurrent.T])
    scale_G = np.maximum(np.abs(weight_KG).max(0), 1e-9) / _MAX_WEIGHT
    added = {f"bias{layer}_G": bias_G}
    if layer == 0:
        added = {"table_VG": constants["embedding"] @ weight.T + bias_G}
    return {
        f"weight{layer}_KG": np.rint(weight_KG / scale_G).astype(np.int8),
        f"scale{layer}_G": scale_G.astype(np.float32),
        **{name: array.astype(np.float32) for name, array in added.items()},
    }
