"""No value that a request sends ends onnxruntime, and so the process, by an integer division."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from models_store.add.division import guard_divisions
from models_store.errors import AddError
from tests.fakes.tensor_models import Shape, make_model

_INT64, _BOOL = TensorProto.INT64, TensorProto.BOOL


def _divide(operator: str = "Div", **options: Any) -> onnx.NodeProto:
    return helper.make_node(operator, ["a", "b"], ["c"], **options)


def _model(node: onnx.NodeProto, dtype: str = "int64", opset: int = 17) -> onnx.ModelProto:
    value: tuple[int, Shape] = (helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["n"])
    return make_model([node], {"a": value, "b": value}, {"c": value}, opset=opset)


def _run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, inputs)
    return np.asarray(output)


@pytest.mark.parametrize(
    ("dtype", "opset"),
    [
        ("int8", 14),
        ("int16", 14),
        *((dtype, n) for dtype in ("int32", "int64") for n in (7, 13, 21)),
    ],
)
def test_smallest_integer_divided_by_minus_one_wraps_and_others_are_exact(
    dtype: str, opset: int
) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    a = np.array([least, least, least, least + 1, most, 7, -7, 0], dtype)
    b = np.array([-1, 1, 2, -1, -1, -2, -1, -1], dtype)
    quotient = _run(guard_divisions(_model(_divide(), dtype, opset)), a=a, b=b)
    # Truncated (opset 13's text), of exact integers; the first wraps around.
    expected = [int(abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1)
                for x, y in zip(a.tolist(), b.tolist(), strict=True)]  # fmt: skip
    assert quotient.tolist() == [least, *expected[1:]]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("fmod", [0, 1])
def test_remainder_of_minus_one_is_zero(dtype: str, fmod: int) -> None:
    model = guard_divisions(_model(_divide("Mod", fmod=fmod), dtype))
    a, b = np.array([np.iinfo(dtype).min], dtype), np.array([-1], dtype)
    assert _run(model, a=a, b=b).tolist() == [0]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("operator", ["Div", "Mod"])
def test_division_by_zero_is_an_error_of_the_run(operator: str, dtype: str) -> None:
    model = guard_divisions(_model(_divide(operator), dtype))
    with pytest.raises(Exception, match="by zero"):
        _run(model, a=np.array([7], dtype), b=np.array([0], dtype))


def _branch(name: str, node: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info("c", _INT64, ["n"])])


def _in_a_branch() -> onnx.ModelProto:
    node = helper.make_node(
        "If", ["condition"], ["d"], then_branch=_branch("then", _divide()),
        else_branch=_branch("else", helper.make_node("Identity", ["a"], ["c"])),
    )  # fmt: skip
    values: dict[str, tuple[int, Shape]] = {"a": (_INT64, ["n"]), "b": (_INT64, ["n"])}
    return make_model([node], {**values, "condition": (_BOOL, [])}, {"d": (_INT64, ["n"])})


def _in_a_function() -> onnx.ModelProto:
    opset = helper.make_opsetid("", 17)
    function = helper.make_function("local", "Ratio", ["a", "b"], ["c"], [_divide()], [opset])
    model = _model(helper.make_node("Ratio", ["a", "b"], ["c"], domain="local"))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def _behind_other_operators() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["a"], ["x"], to=TensorProto.INT32),
        helper.make_node("Neg", ["x"], ["y"]),
        helper.make_node("Div", ["y", "y"], ["z"]),
        helper.make_node("Div", ["y", "b"], ["c"]),
    ]
    int32 = (TensorProto.INT32, ["n"])
    return make_model(nodes, {"a": (_INT64, ["n"]), "b": int32}, {"c": int32, "z": int32})


def _behind_unknown_operators(operator: str, dtype: str) -> onnx.ModelProto:
    """Divide what an operator of com.microsoft returns, whose type onnx does not infer."""
    nodes = [
        helper.make_node("ExpandDims", ["a", "axis"], ["x"], domain="com.microsoft"),
        helper.make_node("ExpandDims", ["b", "axis"], ["y"], domain="com.microsoft"),
        helper.make_node(operator, ["x", "y"], ["z"]),
        helper.make_node(operator, ["z", "y"], ["c"]),
    ]
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = make_model(
        nodes,
        {"a": (element, ["n"]), "b": (element, ["n"])},
        {"c": (element, [1, "n"])},
        [numpy_helper.from_array(np.array(0, np.int32), "axis")],
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.mark.parametrize("operator", ["Div", "Mod"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_division_behind_operators_that_onnx_does_not_know_is_guarded(
    operator: str, dtype: str
) -> None:
    model = guard_divisions(_behind_unknown_operators(operator, dtype))
    least = np.iinfo(dtype).min
    result = _run(model, a=np.array([least, 7], dtype), b=np.array([-1, 3], dtype))
    assert result.tolist() == [[least, 0] if operator == "Div" else [0, 1]]


def test_division_in_a_branch_by_values_of_unknown_type_is_rejected() -> None:
    nodes = [
        helper.make_node("ExpandDims", ["a", "axis"], ["x"], domain="com.microsoft"),
        helper.make_node("Div", ["x", "x"], ["c"]),
    ]
    output = helper.make_tensor_value_info("c", _INT64, [1, "n"])
    branch = helper.make_graph(nodes, "branch", [], [output])
    node = helper.make_node("If", ["condition"], ["d"], then_branch=branch, else_branch=branch)
    model = make_model(
        [node],
        {"a": (_INT64, ["n"]), "condition": (_BOOL, [])},
        {"d": (_INT64, [1, "n"])},
        [numpy_helper.from_array(np.array(0, np.int32), "axis")],
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(AddError, match="Div divides by x, whose type is unknown"):
        guard_divisions(model)


def test_fractions_behind_operators_that_onnx_does_not_know_are_left_alone() -> None:
    model = _behind_unknown_operators("Div", "float32")
    before = model.SerializeToString()
    assert guard_divisions(model).SerializeToString() == before


@pytest.mark.parametrize(
    ("model", "divisions"),
    [
        (_in_a_branch(), 1),
        (_in_a_function(), 1),
        (_behind_other_operators(), 2),
        (_model(_divide("Mod")), 1),
    ],
    ids=["branch", "function", "inferred", "remainder"],
)
def test_division_is_guarded_wherever_it_is(model: onnx.ModelProto, divisions: int) -> None:
    assert str(guard_divisions(model)).count('op_type: "Equal"') == divisions


@pytest.mark.parametrize(("divisor", "is_guarded"), [([4, 2], False), ([4, -1], True)])
@pytest.mark.parametrize("as_node", [True, False])
def test_constant_divisor_is_guarded_only_if_it_has_minus_one(
    divisor: list[int], is_guarded: bool, as_node: bool
) -> None:
    tensor = numpy_helper.from_array(np.array(divisor), "b")
    constant = helper.make_node("Constant", [], ["b"], value=tensor)
    value: dict[str, tuple[int, Shape]] = {"a": (_INT64, [2])}
    nodes = [constant, _divide()] if as_node else [_divide()]
    model = make_model(nodes, value, {"c": (_INT64, [2])}, () if as_node else [tensor])
    guarded = guard_divisions(model)
    assert ("Equal" in str(guarded)) == is_guarded
    a = np.array([9, np.iinfo(np.int64).min])
    expected = [2, -(2**62) if divisor[1] == 2 else -(2**63)]
    assert _run(guarded, a=a).tolist() == expected


def test_fractions_are_left_alone() -> None:
    model = _model(_divide(), "float32")
    before = model.SerializeToString()
    assert guard_divisions(model).SerializeToString() == before


@pytest.mark.parametrize("is_constant", [True, False])
def test_frame_length_of_stft_must_be_constant(is_constant: bool) -> None:
    node = helper.make_node("STFT", ["x", "step", "", "length"], ["y"])
    length = [numpy_helper.from_array(np.array(16), "length")] if is_constant else []
    scalar: tuple[int, Shape] = (_INT64, [])
    values: dict[str, tuple[int, Shape]] = {"x": (TensorProto.FLOAT, [1, 64, 1]), "step": scalar}
    inputs = values if is_constant else {**values, "length": scalar}
    model = make_model([node], inputs, {"y": (TensorProto.FLOAT, [1, "frames", 9, 2])}, length)
    if is_constant:
        assert guard_divisions(model) is model
    else:
        with pytest.raises(AddError, match="STFT takes its frame length from length"):
            guard_divisions(model)
