"""Tensors of requests and responses: valid ones round-trip, others are rejected with a reason."""

import struct
from typing import Any

import numpy as np
import pytest

from service.codecs.tensors import BYTES, DATATYPES, from_bytes, from_json, to_bytes, to_json
from service.errors import InvalidValue


@pytest.mark.parametrize("dtype", [dtype for dtype in DATATYPES if dtype != "string"])
def test_every_datatype_round_trips_as_json_and_binary(dtype: str) -> None:
    array = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    kind = DATATYPES[dtype]
    for back in (
        from_bytes("x", kind, [3, 2], to_bytes(array)),
        from_json("x", kind, [3, 2], to_json("x", array)),
        from_json("x", kind, [3, 2], array.tolist()),
    ):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_bytes_are_little_endian() -> None:
    assert to_bytes(np.array([1, 258], ">i4")) == b"\1\0\0\0\2\1\0\0"
    assert from_bytes("x", "INT16", [1], b"\2\1").tolist() == [258]


def test_strings_have_their_length_before_them() -> None:
    raw = struct.pack("<I", 2) + "é".encode() + struct.pack("<I", 0)
    array = from_bytes("x", BYTES, [2, 1], raw)
    assert array.tolist() == [["é".encode()], [b""]]
    assert to_bytes(array) == raw
    assert to_json("x", array) == ["é", ""]
    assert from_json("x", BYTES, [2, 1], [["é"], [""]]).tolist() == array.tolist()


@pytest.mark.parametrize(
    "raw", [b"", b"\1\0\0\0", b"\1\0\0\0ab", b"\xff\xff\xff\xffa", b"\0\0\0\0" * 2, b"\1\0\0"]
)
def test_truncated_or_too_many_strings_are_rejected(raw: bytes) -> None:
    with pytest.raises(InvalidValue, match="x does not hold 1 elements"):
        from_bytes("x", BYTES, [1], raw)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "why"),
    [
        ("UINT8", [1], [256], "outside 0 … 255"),
        ("UINT8", [1], [-1], "outside 0 … 255"),
        ("INT64", [1], [2**64], "outside"),
        ("UINT8", [1], [1.5], "fractions"),
        ("UINT8", [2], [True, 1], "true or false"),
        ("INT32", [1], ["1"], "strings"),
        ("INT32", [1], [None], "null"),
        ("INT32", [1], [{}], "objects"),
        ("INT32", [1], [[[1]]], "the shape"),
        ("BOOL", [1], [1], "whole numbers"),
        ("FP32", [1], [True], "true or false"),
        ("FP32", [1], [1e300], "too large"),
        ("FP32", [1], [10**400], "too large"),
        ("FP32", [1], [float("nan")], "NaN"),
        ("FP32", [2, 2], [1, 2, 3], r"shape \[3\]; expected \[2, 2\], or a flat list of 4"),
        ("FP32", [2, 2], [[1, 2], [3]], "equally long"),
        ("FP32", [2, 2], [[1, 2], 3, 4], "equally long"),
        ("FP32", [2, 3], [[1, 2], [3, 4], [5, 6]], r"shape \[3, 2\]"),
        ("FP32", [2, 2], [[1, 2, 3, 4]], r"shape \[1, 4\]"),
        ("FP32", [2, 2, 1], [[1, 2], [3, 4]], r"shape \[2, 2\]"),
        (BYTES, [1], [3], "no strings"),
        (BYTES, [2], ["a"], r"shape \[1\]"),
    ],
)
def test_json_data_that_does_not_fit_is_rejected_with_a_reason(
    datatype: str, shape: list[int], data: list[Any], why: str
) -> None:
    with pytest.raises(InvalidValue, match=why):
        from_json("x", datatype, shape, data)


@pytest.mark.parametrize(
    ("datatype", "raw", "why"),
    [
        ("FP32", b"\0" * 7, "7 bytes; FP32 of shape .2. has 8"),
        ("FP32", b"\0\0\x80\x7f" * 2, "infinite"),
        ("FP16", b"\0\x7e" * 2, "NaN"),
        ("BOOL", b"\0\2", "0 and 1"),
    ],
)
def test_binary_data_that_does_not_fit_are_rejected_with_a_reason(
    datatype: str, raw: bytes, why: str
) -> None:
    with pytest.raises(InvalidValue, match=why):
        from_bytes("x", datatype, [2], raw)


def test_values_json_cannot_represent_need_binary_output() -> None:
    with pytest.raises(InvalidValue, match="binary_data"):
        to_json("x", np.array([np.inf], np.float32))
    with pytest.raises(InvalidValue, match="binary_data"):
        to_json("x", np.array([b"\xff"], object))


def test_json_has_a_limit_of_values() -> None:
    many = np.broadcast_to(np.uint8(0), (4_194_305,))
    with pytest.raises(InvalidValue, match="x has 4194305 values; JSON holds up to 4194304"):
        to_json("x", many)
