"""A minimal protobuf reader for ONNX files; the service does not depend on the onnx package.

onnxruntime follows an initializer's reference to a file beside the graph or, if the graph was
passed as bytes, in the working directory. Such files are in no manifest and are not verified, so
graphs with external data are rejected.
"""

from collections.abc import Iterator
from typing import NamedTuple

from models_store.varint import decode_varint, encode_varint

# Messages of onnx.proto3, with the fields in which a tensor may lie deeper.
_TENSOR = "TensorProto"
_NESTED_MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: _TENSOR, 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: _TENSOR, 6: "GraphProto", 10: _TENSOR, 11: "GraphProto",
        22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}  # fmt: skip
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14

_VARINT, _FIXED64, _BYTES, _GROUP_START, _GROUP_END, _FIXED32 = range(6)


class Field(NamedTuple):
    """One field of a message."""

    number: int
    value: int
    """Value of a varint; 0 for other wire types."""
    payload: memoryview
    """Content of a length-delimited field; empty for other wire types."""


def has_external_data(graph: bytes) -> bool:
    """Return True if any tensor of the graph stores its values outside the file.

    Raises:
        ValueError: when the bytes are not a protobuf message.
    """
    pending = [("ModelProto", memoryview(graph))]
    while pending:
        message, content = pending.pop()
        nested = _NESTED_MESSAGES[message]
        for number, value, payload in iter_fields(content):
            if message == _TENSOR and (
                number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)
            ):
                return True
            if payload and number in nested:
                pending.append((nested[number], payload))
    return False


def iter_fields(content: memoryview) -> Iterator[Field]:
    """Yield the fields of one message (protobuf.dev, "Encoding"); groups are flattened."""
    position, end = 0, len(content)
    while position < end:
        tag, position = decode_varint(content, position)
        number, kind, size, value = (tag & 0xFFFFFFFF) >> 3, tag & 7, 0, 0
        if kind == _VARINT:
            value, position = decode_varint(content, position)
        elif kind == _BYTES:
            size, position = decode_varint(content, position)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        elif kind not in (_GROUP_START, _GROUP_END):
            raise ValueError(f"a field has the unknown wire type {kind}")
        if not number or position + size > end:
            raise ValueError("a field is numbered 0 or longer than its message")
        yield Field(
            number, value, content[position : position + size] if kind == _BYTES else content[:0]
        )
        position += size


def decode_varints(content: memoryview) -> list[int]:
    """Decode packed varints; raise ValueError if the last one is truncated."""
    numbers, position = [], 0
    while position < len(content):
        number, position = decode_varint(content, position)
        numbers.append(number)
    return numbers


def encode_delimited(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited field: text, bytes or a nested message."""
    return encode_varint(number << 3 | _BYTES) + encode_varint(len(payload)) + payload
