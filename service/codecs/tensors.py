"""Tensors of the Open Inference Protocol, as JSON and as bytes ↔ arrays.

Bytes are little-endian, row-major; of BYTES, each element is its length as uint32 and then itself
(KServe "Open Inference Protocol", "Binary Tensor Data Extension").
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid

__all__ = [
    "BYTES",
    "DATATYPES",
    "Array",
    "datatype_of",
    "from_bytes",
    "from_json",
    "to_bytes",
    "to_json",
]

Array = NDArray[np.generic]

BYTES = "BYTES"
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
"""A manifest's dtype → what the protocol calls it."""

_DTYPES = {datatype: np.dtype(dtype) for dtype, datatype in DATATYPES.items()}
_KINDS: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}
"""Kind of a dtype → JSON's values that it takes."""
_JSON_NAMES = {
    bool: "true or false", int: "whole numbers", float: "fractions", str: "strings",
    list: "lists", dict: "objects",
}  # fmt: skip


def from_bytes(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> Array:
    """The tensor `name`, whose shape was checked. Raises Invalid: not as many bytes as it has."""
    if datatype == BYTES:
        return _strings(name, shape, raw)
    dtype = _DTYPES[datatype]
    needed = math.prod(shape) * dtype.itemsize
    if len(raw) != needed:
        raise Invalid(
            f"{name} has {len(raw)} bytes; {datatype} of shape {list(shape)} has {needed}"
        )
    tensor = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
    if datatype == "BOOL" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise Invalid(f"{name} has bytes other than 0 and 1, which BOOL has alone")
    return _finite(name, tensor.astype(dtype, copy=False))


def _strings(name: str, shape: Sequence[int], raw: bytes) -> Array:
    count, at = math.prod(shape), 0
    found: list[bytes] = []
    while at + 4 <= len(raw) and len(found) < count:
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            break
        found.append(raw[at - length : at])
    if len(found) != count or at != len(raw):
        raise Invalid(
            f"{name} does not hold {count} elements, each as its length (uint32) and itself"
        )
    return _objects(found, shape)


def from_json(name: str, datatype: str, shape: Sequence[int], data: Sequence[object]) -> Array:
    """The same from JSON's `data`, flat or nested. Raises Invalid: values that do not fit."""
    if datatype == BYTES:
        return _objects([_utf8(name, text) for text in _flat(name, data, shape)], shape)
    dtype = _DTYPES[datatype]
    flat = _flat(name, data, shape)
    # Looked at before numpy does, which would give every string the room of the longest.
    wrong = set(map(type, flat)) - _KINDS[dtype.kind]
    if wrong:
        came = ", ".join(sorted(_JSON_NAMES.get(kind, "null") for kind in wrong))
        raise Invalid(f"{name}: data has values ({came}) that are not {datatype}")
    if dtype.kind in "iu":
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        if any(not least <= value <= most for value in flat):
            raise Invalid(f"{name}: data has values outside {least} … {most}, which {datatype} has")
    with np.errstate(over="ignore"):
        try:
            return _finite(name, np.array(flat, dtype).reshape(shape))
        except OverflowError:
            raise Invalid(f"{name}: data has values that are too large for {datatype}") from None


def _flat(name: str, data: Sequence[object], shape: Sequence[int]) -> list[Any]:
    flat = list(data)
    for _ in shape[1:]:
        if any(isinstance(part, list) for part in flat):
            flat = [one for part in flat for one in (part if isinstance(part, list) else [part])]
    if len(flat) != math.prod(shape):
        raise Invalid(f"{name}: data has {len(flat)} values; {list(shape)} has {math.prod(shape)}")
    return flat


def _utf8(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise Invalid(f"{name}: data has values that are no strings")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{name}: data has a half of a surrogate pair") from None


def _objects(elements: Sequence[bytes], shape: Sequence[int]) -> Array:
    tensor = np.empty(len(elements), object)
    tensor[:] = elements
    shaped: Array = tensor.reshape(shape)
    return shaped


def _finite(name: str, tensor: Array) -> Array:
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise Invalid(f"{name} has values that are NaN or infinite")
    return tensor


def datatype_of(tensor: Array) -> str:
    """What the protocol calls it; arrays of objects hold bytes."""
    return BYTES if tensor.dtype.kind == "O" else DATATYPES[tensor.dtype.name]


def to_bytes(tensor: Array) -> bytes:
    """Little-endian and row-major."""
    if tensor.dtype.kind == "O":
        return b"".join(struct.pack("<I", len(one)) + one for one in tensor.ravel().tolist())
    little = tensor.dtype.newbyteorder("<")
    return np.ascontiguousarray(tensor.astype(little, copy=False)).tobytes()


def to_json(name: str, tensor: Array) -> list[object]:
    """Row-major and flat. Raises Invalid: JSON has no way to write it."""
    if tensor.dtype.kind == "O":
        try:
            return [element.decode() for element in tensor.ravel().tolist()]
        except UnicodeDecodeError:
            raise Invalid(f"{name} is not UTF-8; ask for it with binary_data") from None
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise Invalid(f"{name} is NaN or infinite in places; ask for it with binary_data")
    values: list[object] = tensor.ravel().tolist()
    return values
