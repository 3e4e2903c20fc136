"""Tensors as JSON's nested lists ↔ arrays.

JSON has no NaN and no infinity: they are the strings "NaN", "Infinity" and "-Infinity", as in the
JSON form of Protocol Buffers.
"""

import math
from collections.abc import Sequence

import numpy as np

from service.codecs.tensors import Array, check_json_size, from_json, to_json

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FLOATS = ("FP16", "FP32", "FP64")


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
