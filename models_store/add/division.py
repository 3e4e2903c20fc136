"""Guard integer divisions: `smallest integer ÷ -1` ends onnxruntime's process (SIGFPE on x86).

onnxruntime divides int32 and int64 with the processor's instruction, which traps when the quotient
does not fit; `Mod` has a case for -1 since 1.32. int8 and int16 are widened. A division by zero is
an error of the run since 1.25. `STFT` divides by its frame length unchecked.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import onnx
import onnxruntime as ort
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.inliner import inline_local_functions
from onnx.shape_inference import infer_shapes

from models_store.errors import AddError
from models_store.onnx.errors import clean_message

_TRAPPING = (TensorProto.INT32, TensorProto.INT64)
_DIVISIONS = ("Div", "Mod")


def guard_divisions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with `a / b` as `(a·s) / (b·s)`, where s is -1 if b is -1, and otherwise 1.

    The smallest integer divided by -1 is then itself, as in numpy, and no other quotient changes;
    nor does any remainder (`Mod`).
    Divisors that are constants other than -1 stay as they are. Functions of the model are inlined,
    because the types of their values depend on the call. Without functions, `model` itself changes.

    Raises:
        AddError: an STFT takes its frame length from a request, a function calls itself, or the
            type of a divisor in a branch or a loop is unknown.
    """
    if not any(node.op_type in (*_DIVISIONS, "STFT") for node in _all_nodes(model)):
        return model
    inlined = _inline_functions(model)
    typed = infer_shapes(inlined).graph
    _guard_graph(inlined.graph, typed, _untyped_divisors(inlined, typed), set())
    return inlined


def _untyped_divisors(model: onnx.ModelProto, typed: GraphProto) -> dict[str, int]:
    """Return the types of divisors behind operators that onnx does not know (com.microsoft).

    onnxruntime infers types when it loads a graph, and tells those of the graph's outputs.
    """
    known = {*_value_types(typed), *(name for name, _ in _constants(typed))}
    divisors = {node.input[1] for node in typed.node if node.op_type in _DIVISIONS} - known
    if not divisors:
        return {}
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(divisors))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # errors are exceptions
    try:
        session = ort.InferenceSession(
            probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no public exception base
        raise AddError(f"onnxruntime does not accept the graph: {clean_message(error)}") from error
    types = {"tensor(int32)": TensorProto.INT32, "tensor(int64)": TensorProto.INT64}
    # Other types do not trap, so one stands for all.
    return {arg.name: types.get(arg.type, TensorProto.FLOAT) for arg in session.get_outputs()}


def _inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return inline_local_functions(model) if model.functions else model
    except onnx.checker.ValidationError as error:
        raise AddError(f"the functions of the graph cannot be inlined: {error}") from error


def _all_nodes(model: onnx.ModelProto) -> Iterator[NodeProto]:
    pending: list[Iterable[NodeProto]] = [model.graph.node, *(f.node for f in model.functions)]
    while pending:
        for node in pending.pop():
            yield node
            pending += [graph.node for graph in _subgraphs(node)]


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    return [item.g for item in node.attribute if item.type == AttributeProto.GRAPH]


def _guard_graph(
    graph: GraphProto, typed: GraphProto, outer_types: Mapping[str, int], outer_safe: set[str]
) -> None:
    """Guard the divisions of `graph`; `typed` is the same graph with the types of its values."""
    types = {**outer_types, **_value_types(typed)}
    safe = outer_safe | {name for name, values in _constants(graph) if not np.any(values == -1)}
    nodes: list[NodeProto] = []
    for node, typed_node in zip(graph.node, typed.node, strict=True):
        for inner, typed_inner in zip(_subgraphs(node), _subgraphs(typed_node), strict=True):
            _guard_graph(inner, typed_inner, types, safe)
        if node.op_type == "STFT":
            _check_frame_length(node, safe)
        is_guarded = node.op_type in _DIVISIONS and node.input[1] not in safe
        element = next((types[name] for name in node.input if name in types), 0)
        if is_guarded and not element:
            raise AddError(f"{node.op_type} divides by {node.input[1]}, whose type is unknown")
        nodes += _guarded(node, element) if is_guarded and element in _TRAPPING else [node]
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _check_frame_length(node: NodeProto, constants: set[str]) -> None:
    window, frame_length = (*node.input[2:], "", "")[:2]
    if not window and frame_length not in constants:
        raise AddError(
            f"STFT takes its frame length from {frame_length}, and 0 would end onnxruntime; served "
            "are a window, or a length that is constant"
        )


def _value_types(graph: GraphProto) -> dict[str, int]:
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: element for name, element in types.items() if element}


def _constants(graph: GraphProto) -> Iterator[tuple[str, np.ndarray[tuple[int, ...], np.dtype]]]:
    for tensor in graph.initializer:
        if tensor.data_type in _TRAPPING:
            yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            is_tensor = isinstance(value, TensorProto)
            yield node.output[0], numpy_helper.to_array(value) if is_tensor else np.array(value)


def _guarded(node: NodeProto, element: int) -> list[NodeProto]:
    """Return nodes that compute what `node` does; all of them are in opset 7."""
    dividend, divisor = node.input
    prefix = f"{node.output[0]}/guard"
    names = ("minus_one", "one", "is_minus_one", "minus_two", "as_int", "change")
    minus_one, one, is_minus_one, minus_two, as_int, change = (f"{prefix}/{x}" for x in names)
    sign, signed_dividend, signed_divisor = (f"{prefix}/{x}" for x in ("sign", "a", "b"))
    division = NodeProto.FromString(node.SerializeToString())
    division.input[:] = [signed_dividend, signed_divisor]
    return [
        *(helper.make_node("Constant", [], [x], value=helper.make_tensor("", element, [], [value]))
          for x, value in ((minus_one, -1), (one, 1), (minus_two, -2))),
        helper.make_node("Equal", [divisor, minus_one], [is_minus_one]),
        helper.make_node("Cast", [is_minus_one], [as_int], to=element),
        helper.make_node("Mul", [as_int, minus_two], [change]),
        helper.make_node("Add", [one, change], [sign]),
        helper.make_node("Mul", [dividend, sign], [signed_dividend]),
        helper.make_node("Mul", [divisor, sign], [signed_divisor]),
        division,
    ]  # fmt: skip
