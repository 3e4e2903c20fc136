import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_store.compression.container import (
    CompressedImage,
    ContainerError,
    CorruptedError,
    TruncatedError,
    UnknownFormatError,
    UnsupportedVersionError,
    pack,
    unpack,
)

CODE = CompressedImage(b"\x01\x02\x03\x04", 28, 200, "L", b"payload")

codes = st.builds(
    CompressedImage,
    fingerprint=st.binary(min_size=4, max_size=4),
    width=st.integers(1, 65_535),
    height=st.integers(1, 65_535),
    mode=st.sampled_from(["L", "RGB"]),
    payload=st.binary(max_size=300),
)


def _sealed(head: bytes) -> bytes:
    return head + zlib.crc32(head).to_bytes(4, "big")


def test_the_layout_is_the_documented_one() -> None:
    # By hand: 2 × 28 is 38, and 200 is C8 01.
    expected = _sealed(
        b"\xd5S" + b"\x02" + b"\x12" + b"\x01\x02\x03\x04" + b"\x38" + b"\xc8\x01" + b"payload"
    )
    assert pack(CODE) == expected


def test_format_1_is_still_read() -> None:
    # By hand: "ab" is (1 × 37 + 0) × 37 + 1 = 1370 = 05 5A, and version 300 is AC 02.
    code = _sealed(
        b"\xd5S" + b"\x01" + b"\x17" + b"\x02\x05\x5a" + b"\xac\x02" + b"\x01\x02\x03\x04"
        + b"\x38" + b"\xc8\x01" + b"payload"
    )  # fmt: skip
    assert unpack(code) == CODE


@given(codes)
def test_what_is_packed_is_unpacked(code: CompressedImage) -> None:
    assert unpack(pack(code)) == code


def test_container_of_a_digit_takes_14_bytes() -> None:
    assert len(pack(CompressedImage(bytes(4), 28, 28, "L", b""))) == 14


def test_every_changed_byte_is_found() -> None:
    data = pack(CODE)
    for at in range(len(data)):
        for flip in range(1, 256):
            changed = bytearray(data)
            changed[at] ^= flip
            with pytest.raises(ContainerError):
                unpack(bytes(changed))


def test_every_missing_end_is_called_truncated() -> None:
    data = pack(replace(CODE, payload=bytes(300)))  # whose length takes two bytes
    for length in range(1, len(data)):
        with pytest.raises(TruncatedError):
            unpack(data[:length])


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"hello", b"\0" * 40])
def test_other_bytes_are_reported_as_foreign(data: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        unpack(data)


def test_newer_format_is_reported_before_other_errors() -> None:
    with pytest.raises(
        UnsupportedVersionError, match="format 3; this version reads formats up to 2"
    ):
        unpack(b"\xd5S\x03 whatever follows there")


def test_bytes_after_the_end_are_damage() -> None:
    with pytest.raises(CorruptedError, match="2 bytes follow its end"):
        unpack(pack(CODE) + b"\0\0")


@given(st.binary(max_size=80))
def test_any_bytes_are_a_code_or_a_code_error(data: bytes) -> None:
    with pytest.raises(ContainerError):
        unpack(data)


@given(st.binary(max_size=60), st.sampled_from([b"\x01", b"\x02"]))
def test_any_contents_under_a_right_checksum_are_a_code_or_a_code_error(
    body: bytes, version: bytes
) -> None:
    with suppress(ContainerError):
        assert unpack(_sealed(b"\xd5S" + version + bytes([len(body) + 4]) + body)).width


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x02" + bytes(4) + b"\x00\x1c", "0 × 28"),
        (b"\x02" + bytes(4) + b"\xfe\xff\xff\x7f\x1c", "× 28"),
        (b"\x02" + bytes(4) + b"\xff\xff\xff\xff\xff\xff", "is truncated"),
        (b"\x02" + bytes(3), "extends beyond"),
        (b"\x01\x30\x05\x5a", "extends beyond"),
    ],
)
def test_contents_that_make_no_sense_are_damage(body: bytes, why: str) -> None:
    with pytest.raises(CorruptedError, match=why):
        unpack(_sealed(b"\xd5S" + body[:1] + bytes([len(body) + 3]) + body[1:]))
