"""Rewrite graphs for the contract: tensors alone as inputs and outputs, every dimension named."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import onnx
from onnx import TensorProto, helper

from models_store.errors import AddError
from models_store.manifest import DType, TensorSpec

BATCH = "batch"
"""Name of the first dimension of tensors whose rows are independent examples."""

Shape = tuple[int | str, ...]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")
"""Domains of the operators that onnxruntime brings."""

_DTYPES: dict[int, DType] = {
    TensorProto.STRING
    if name == "string"
    else helper.np_dtype_to_tensor_dtype(np.dtype(name)): name
    for name in get_args(DType)
}
"""ONNX's number of an element type → the manifest's name."""

_MAX_INPUTS = 64
_MAX_NAME_CHARS = 256
"""Limits of a request to the service."""


def check_operators(model: onnx.ModelProto) -> None:
    """Raise AddError if an operator needs a library that onnxruntime does not bring."""
    local = {(function.domain, function.name) for function in model.functions}
    custom = sorted(
        {
            f"{node.domain}:{node.op_type}"
            for node in model.graph.node
            if node.domain not in _DOMAINS and (node.domain, node.op_type) not in local
        }
    )
    if custom:
        raise AddError(
            f"the graph needs custom operators, which are not served: {', '.join(custom)}"
        )


def check_names(model: onnx.ModelProto) -> None:
    """Raise AddError if a request or a response cannot carry the tensors by their names."""
    if len(model.graph.input) > _MAX_INPUTS:
        raise AddError(f"the graph has {len(model.graph.input)} inputs; the limit is {_MAX_INPUTS}")
    for value in (*model.graph.input, *model.graph.output):
        if len(value.name) > _MAX_NAME_CHARS:
            raise AddError(
                f"the name {value.name[:16]}… has {len(value.name)} characters; the limit is "
                f"{_MAX_NAME_CHARS}"
            )
    names = [value.name for value in model.graph.output]
    if not names:
        raise AddError("the graph has no outputs")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise AddError(f"several outputs have the same name: {', '.join(repeated)}")


def remove_initializer_inputs(model: onnx.ModelProto) -> None:
    """Remove weights from the inputs, where files of before 2020 (IR version 3) list them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    _replace(model.graph.input, inputs)


def replace_zip_maps(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Replace outputs of ZipMap, lists of maps from classes to values, by tensors.

    Returns:
        The classes by output: column i of the tensor is the value of class i.
    """
    columns: dict[str, list[str]] = {}
    for index, node in enumerate(model.graph.node):
        if node.op_type != "ZipMap":
            continue
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        classes = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings")
        if not classes:  # onnxruntime says what is wrong
            continue
        labels = [item.decode() if isinstance(item, bytes) else str(item) for item in classes]
        identity = helper.make_node("Identity", list(node.input), list(node.output))
        model.graph.node[index].CopyFrom(identity)
        if not any(item.domain in ("", "ai.onnx") for item in model.opset_import):
            model.opset_import.append(helper.make_opsetid("", 9))
        columns[node.output[0]] = labels
        for value in model.graph.output:
            if value.name == node.output[0]:
                tensor = helper.make_tensor_value_info(
                    value.name, TensorProto.FLOAT, [None, len(labels)]
                )
                value.CopyFrom(tensor)
    return columns


def input_specs(model: onnx.ModelProto, ranks: Mapping[str, int]) -> list[TensorSpec]:
    """Return the inputs as the manifest describes them; dimensions without a name get one.

    `ranks` are those of the sample, for inputs that the graph declares without a shape.

    Raises:
        AddError: an input or output is no tensor, or has a data type that is not served.
    """
    for value in model.graph.output:
        _dtype("output", value)
    specs = []
    for value in model.graph.input:
        dtype = _dtype("input", value)
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            shape = _shape(value)
        elif value.name in ranks:
            shape = tuple(f"{value.name}_{axis}" for axis in range(ranks[value.name]))
        else:
            raise AddError(f"the input {value.name} has no shape: give --sample inputs.npz")
        specs.append(TensorSpec(name=value.name, dtype=dtype, shape=shape))
    if not specs:
        raise AddError("the graph has no inputs")
    return specs


def _dtype(kind: str, value: onnx.ValueInfoProto) -> DType:
    form = value.type.WhichOneof("value")
    if form not in ("tensor_type", None):
        name = str(form).removesuffix("_type")
        raise AddError(f"the {kind} {value.name} has the type {name}; only tensors are served")
    element = value.type.tensor_type.elem_type
    if element in _DTYPES:
        return _DTYPES[element]
    if kind == "output" and element == TensorProto.UNDEFINED:
        return "float32"  # the run says what it is
    raise AddError(
        f"the {kind} {value.name} is {TensorProto.DataType.Name(element).lower()}, a type that "
        f"the Open Inference Protocol has no name for"
    )


def _shape(value: onnx.ValueInfoProto) -> Shape:
    """Return the dimensions; some exporters write `?` or 0 for one without a name."""
    return tuple(
        dim.dim_value
        if dim.dim_value > 0
        else (dim.dim_param if dim.dim_param.isidentifier() else f"{value.name}_{axis}")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim)
    )


def output_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Return the shapes that the graph declares for its outputs; () for those without one."""
    return {
        value.name: _shape(value) if value.type.tensor_type.HasField("shape") else ()
        for value in model.graph.output
    }


def has_batch_axis(specs: Sequence[TensorSpec]) -> bool:
    """Return True if the inputs agree in their first dimension as far as it is a number."""
    fixed = {spec.shape[0] for spec in specs if spec.shape and isinstance(spec.shape[0], int)}
    return all(spec.shape for spec in specs) and len(fixed) <= 1


def free_batch_axis(specs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Return the inputs with a common free first dimension."""
    return [spec.model_copy(update={"shape": (BATCH, *spec.shape[1:])}) for spec in specs]


def fix_sizes(specs: Sequence[TensorSpec], size: int) -> list[TensorSpec]:
    """Return the inputs with `size` in place of free dimensions, but for the first."""
    return [
        spec.model_copy(
            update={
                "shape": tuple(
                    size if axis and isinstance(old, str) else old
                    for axis, old in enumerate(spec.shape)
                )
            }
        )
        for spec in specs
    ]


def set_tensors(
    model: onnx.ModelProto, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> onnx.ModelProto:
    """Return a copy that declares these inputs and outputs, and nothing in between.

    The shapes of values in between may hold a batch size that is free now; onnxruntime infers them.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _replace(copy.graph.input, [_value_info(spec) for spec in inputs])
    if outputs:
        _replace(copy.graph.output, [_value_info(spec) for spec in outputs])
    else:
        for value in copy.graph.output:
            value.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    return copy


def _value_info(spec: TensorSpec) -> onnx.ValueInfoProto:
    (element,) = (element for element, dtype in _DTYPES.items() if dtype == spec.dtype)
    return helper.make_tensor_value_info(spec.name, element, spec.shape)


def _replace(field: Any, values: Sequence[onnx.ValueInfoProto]) -> None:
    del field[:]
    field.extend(values)
