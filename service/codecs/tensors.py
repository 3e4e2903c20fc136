"""Tensors of the Open Inference Protocol, as JSON and as bytes ↔ arrays.

Bytes are little-endian, row-major; of BYTES, each element is its length as uint32 and then itself
(KServe "Open Inference Protocol", "Binary Tensor Data Extension").
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import DType
from service.errors import InvalidValue

Array = NDArray[np.generic]

BYTES = "BYTES"
DATATYPES: Mapping[str, str] = {
    **{dtype: dtype.upper().replace("FLOAT", "FP") for dtype in get_args(DType)},
    "string": BYTES,
}
"""A manifest's dtype → what the protocol calls it: UINT8, FP32, BOOL …"""

_MAX_JSON_VALUES = 4_194_304
"""Values of an output in JSON. Each is an object, and other requests wait until all are written."""

_MAX_STRINGS = 65_536
"""Elements of a BYTES tensor. Each is an object, and some steps in Python."""

_MAX_RANK = 32

_NUMPY_DTYPES = {kind: np.dtype(dtype) for dtype, kind in DATATYPES.items() if kind != BYTES}
_JSON_TYPES: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}
"""Kind of a dtype → JSON's values that it takes."""
_JSON_TYPE_NAMES = {
    bool: "true or false", int: "whole numbers", float: "fractions", str: "strings",
    list: "lists", dict: "objects",
}  # fmt: skip


def from_bytes(
    name: str, datatype: str, shape: Sequence[int], raw: bytes, *, finite: bool = True
) -> Array:
    """Return the tensor `name`, whose shape was checked.

    Raises:
        InvalidValue: not as many bytes as it has, or NaN or infinity where it must be `finite`.
    """
    if datatype == BYTES:
        return _parse_bytes_elements(name, shape, raw)
    dtype = _NUMPY_DTYPES[datatype]
    needed = math.prod(shape) * dtype.itemsize
    if len(raw) != needed:
        raise InvalidValue(
            f"{name} has {len(raw)} bytes; {datatype} of shape {list(shape)} has {needed}"
        )
    tensor = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
    if datatype == "BOOL" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise InvalidValue(f"{name} has bytes other than 0 and 1, the only values of BOOL")
    tensor = tensor.astype(dtype, copy=False)
    return _require_finite(name, tensor) if finite else tensor


def _parse_bytes_elements(name: str, shape: Sequence[int], raw: bytes) -> Array:
    count, offset = _count_strings(name, shape), 0
    elements: list[bytes] = []
    while offset + 4 <= len(raw) and len(elements) < count:
        (length,) = struct.unpack_from("<I", raw, offset)
        offset += 4 + length
        if offset > len(raw):
            break
        elements.append(raw[offset - length : offset])
    if len(elements) != count or offset != len(raw):
        raise InvalidValue(
            f"{name} does not hold {count} elements, each as its length (uint32) and itself"
        )
    return _object_array(elements, shape)


def _count_strings(name: str, shape: Sequence[int]) -> int:
    count = math.prod(shape)
    if count > _MAX_STRINGS:
        raise InvalidValue(f"{name} has {count} strings; the limit is {_MAX_STRINGS}")
    return count


def from_json(name: str, datatype: str, shape: Sequence[int], data: Sequence[object]) -> Array:
    """Return the tensor `name` from JSON's `data`, flat or nested.

    Raises:
        InvalidValue: a value does not fit the type or the shape. JSON has neither NaN nor infinity,
            but its parser reads both, and 1e400 as infinity.
    """
    if datatype == BYTES:
        _count_strings(name, shape)
        return _object_array(
            [_encode_utf8(name, text) for text in _flatten(name, data, shape)], shape
        )
    dtype = _NUMPY_DTYPES[datatype]
    values = _flatten(name, data, shape)
    # Looked at before numpy does, which would give every string the room of the longest.
    unexpected_types = set(map(type, values)) - _JSON_TYPES[dtype.kind]
    if unexpected_types:
        received = ", ".join(
            sorted(_JSON_TYPE_NAMES.get(kind, "null") for kind in unexpected_types)
        )
        raise InvalidValue(f"{name}: data has values ({received}) that are not {datatype}")
    if dtype.kind in "iu":
        min_value, max_value = np.iinfo(dtype).min, np.iinfo(dtype).max
        if any(not min_value <= value <= max_value for value in values):
            raise InvalidValue(
                f"{name}: data has values outside {min_value} … {max_value}, which {datatype} has"
            )
    return _require_finite(name, _convert_numbers(name, datatype, values).reshape(shape))


def _convert_numbers(name: str, datatype: str, values: Sequence[Any]) -> Array:
    """Return the numbers as `datatype`. Raises InvalidValue: one becomes infinite by that."""
    try:
        with np.errstate(over="raise"):
            tensor: Array = np.array(values, _NUMPY_DTYPES[datatype])
    except (OverflowError, FloatingPointError):
        raise InvalidValue(f"{name}: data has values that are too large for {datatype}") from None
    return tensor


def _flatten(name: str, data: Sequence[object], shape: Sequence[int]) -> list[Any]:
    """Return the values of `data`, which is flat or nested as `shape` says."""
    received, values = flatten(name, list(data))
    if received not in ([math.prod(shape)], list(shape)):
        raise InvalidValue(
            f"{name}: data has the shape {received}; expected {list(shape)}, or a flat list of "
            f"{math.prod(shape)} values"
        )
    return values


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
    paths = (np.unravel_index(index, tuple(shape)) for index in (0, odd))
    first, other = (name + "".join(f"[{position}]" for position in path) for path in paths)
    return (
        f"{first} {_describe_length(lengths[0])}, but {other} {_describe_length(lengths[odd])}; "
        "lists at one level must be equally long"
    )


def _describe_length(length: int | None) -> str:
    if length is None:
        return "is not a list"
    return f"has {length} value{'' if length == 1 else 's'}"


def _encode_utf8(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidValue(f"{name}: data has values that are no strings")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{name}: data has a half of a surrogate pair") from None


def _object_array(elements: Sequence[bytes], shape: Sequence[int]) -> Array:
    tensor = np.empty(len(elements), object)
    tensor[:] = elements
    shaped: Array = tensor.reshape(shape)
    return shaped


def _require_finite(name: str, tensor: Array) -> Array:
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise InvalidValue(f"{name} has values that are NaN, infinite or too large")
    return tensor


def datatype_of(tensor: Array) -> str:
    """Return the protocol's datatype of a tensor; object arrays hold bytes."""
    return BYTES if tensor.dtype.kind == "O" else DATATYPES[tensor.dtype.name]


def to_bytes(tensor: Array) -> bytes:
    """Return the values, little-endian and row-major."""
    if tensor.dtype.kind == "O":
        return b"".join(
            struct.pack("<I", len(element)) + element for element in tensor.ravel().tolist()
        )
    little = tensor.dtype.newbyteorder("<")
    return np.ascontiguousarray(tensor.astype(little, copy=False)).tobytes()


def check_json_size(name: str, tensor: Array) -> None:
    """Raise InvalidValue if the tensor has too many values for a response in JSON."""
    if tensor.size > _MAX_JSON_VALUES:
        raise InvalidValue(
            f"{name} has {tensor.size} values; JSON holds up to {_MAX_JSON_VALUES}: ask "
            "/v2/models/NAME/infer for it with binary_data"
        )


def to_json(name: str, tensor: Array) -> list[object]:
    """Return the values, flat and row-major.

    Raises:
        InvalidValue: JSON cannot express one of them.
    """
    check_json_size(name, tensor)
    if tensor.dtype.kind == "O":
        try:
            return [element.decode() for element in tensor.ravel().tolist()]
        except UnicodeDecodeError:
            raise InvalidValue(f"{name} is not UTF-8; ask for it with binary_data") from None
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise InvalidValue(f"{name} is NaN or infinite in places; ask for it with binary_data")
    values: list[object] = tensor.ravel().tolist()
    return values
