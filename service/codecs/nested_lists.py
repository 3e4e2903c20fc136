"""Tensors as JSON's nested lists ↔ arrays.

JSON has no NaN and no infinity: they are the strings "NaN", "Infinity" and "-Infinity", as in the
JSON form of Protocol Buffers.
"""

import math
from collections.abc import Sequence

import numpy as np

from service.codecs.tensors import Array, check_json_size, from_json, to_json
from service.errors import InvalidValue

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FLOATS = ("FP16", "FP32", "FP64")
_MAX_RANK = 32


def flatten(name: str, value: object) -> tuple[list[int], list[object]]:
    """Return the shape of nested lists and their innermost values; a bare value has the shape [].

    Raises:
        InvalidValue: lists at one level differ in length; says where.
    """
    shape: list[int] = []
    values = [value]
    while any(isinstance(item, list) for item in values):
        if len(shape) == _MAX_RANK:
            raise InvalidValue(f"{name} has lists in over {_MAX_RANK} levels")
        lengths = [len(item) if isinstance(item, list) else None for item in values]
        if lengths.count(lengths[0]) != len(lengths):
            raise InvalidValue(_describe_ragged(name, shape, lengths))
        values = [element for item in values if isinstance(item, list) for element in item]
        shape.append(lengths[0] or 0)
    return shape, values


def _describe_ragged(name: str, shape: Sequence[int], lengths: Sequence[int | None]) -> str:
    odd = next(index for index, length in enumerate(lengths) if length != lengths[0])
    first, other = (_format_path(name, shape, index) for index in (0, odd))
    return (
        f"{first} {_describe_length(lengths[0])}, but {other} {_describe_length(lengths[odd])}; "
        "lists at one level must be equally long"
    )


def _format_path(name: str, shape: Sequence[int], index: int) -> str:
    return name + "".join(f"[{position}]" for position in np.unravel_index(index, tuple(shape)))


def _describe_length(length: int | None) -> str:
    if length is None:
        return "is not a list"
    return f"has {length} value{'' if length == 1 else 's'}"


def from_flat(
    name: str, datatype: str, shape: Sequence[int], values: Sequence[object], *, finite: bool
) -> Array:
    """Return the array of what `flatten` returned. Raises InvalidValue: values that do not fit."""
    named: dict[int, float] = {}
    if datatype in _FLOATS and not finite:
        named = {
            index: _NON_FINITE[value]
            for index, value in enumerate(values)
            if isinstance(value, str) and value in _NON_FINITE
        }
        values = [0.0 if index in named else value for index, value in enumerate(values)]
    tensor = from_json(name, datatype, shape, values)
    for index, value in named.items():
        tensor.flat[index] = value
    return tensor


def to_nested(name: str, tensor: Array) -> object:
    """Return nested lists, or a bare value for a tensor of rank 0.

    Raises:
        InvalidValue: a string is not UTF-8, or there are too many values.
    """
    check_json_size(name, tensor)
    if tensor.dtype.kind == "O":
        tensor = np.array(to_json(name, tensor), object).reshape(tensor.shape)
    elif tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        texts = tensor.astype(object)
        for text, value in _NON_FINITE.items():
            texts[np.isnan(tensor) if math.isnan(value) else tensor == value] = text
        return texts.tolist()
    nested: object = tensor.tolist()
    return nested
