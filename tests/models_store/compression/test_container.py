import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
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

CODE = CompressedImage("ab", 300, b"\x01\x02\x03\x04", 28, 200, "L", b"payload")

codes = st.builds(
    CompressedImage,
    model=st.from_regex(r"[a-z][a-z0-9-]{0,62}[a-z0-9]", fullmatch=True),
    version=st.integers(1, 999_999_999),
    fingerprint=st.binary(min_size=4, max_size=4),
    width=st.integers(1, 65_535),
    height=st.integers(1, 65_535),
    mode=st.sampled_from(["L", "RGB"]),
    payload=st.binary(max_size=300),
)


def _sealed(head: bytes) -> bytes:
    return head + zlib.crc32(head).to_bytes(4, "big")


def test_the_layout_is_the_documented_one() -> None:
    # By hand: "ab" is (1 × 37 + 0) × 37 + 1 = 1370 = 05 5A; 300 is AC 02, 2 × 28 is 38, 200 C8 01.
    expected = _sealed(
        b"\xd5S" + b"\x01" + b"\x17" + b"\x02\x05\x5a" + b"\xac\x02" + b"\x01\x02\x03\x04"
        + b"\x38" + b"\xc8\x01" + b"payload"
    )  # fmt: skip
    assert pack(CODE) == expected


@settings(derandomize=True, deadline=None, database=None)
@given(codes)
def test_what_is_packed_is_unpacked(code: CompressedImage) -> None:
    assert unpack(pack(code)) == code


def test_a_digits_container_spends_31_bytes_on_all_but_the_payload() -> None:
    code = CompressedImage("autoencoder-mnist-conv", 1, bytes(4), 28, 28, "L", b"")
    assert len(pack(code)) == 31


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
def test_what_was_never_a_code_is_foreign(data: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        unpack(data)


def test_a_newer_format_is_told_before_anything_else_in_it() -> None:
    with pytest.raises(UnsupportedVersionError, match="format 2; formats up to 1"):
        unpack(b"\xd5S\x02 whatever follows there")


def test_bytes_after_the_end_are_damage() -> None:
    with pytest.raises(CorruptedError, match="2 bytes follow its end"):
        unpack(pack(CODE) + b"\0\0")


@settings(derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_code_or_a_code_error(data: bytes) -> None:
    with pytest.raises(ContainerError):
        unpack(data)


@settings(derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=60))
def test_any_contents_under_a_right_checksum_are_a_code_or_a_code_error(body: bytes) -> None:
    with suppress(ContainerError):
        assert unpack(_sealed(b"\xd5S\x01" + bytes([len(body) + 4]) + body)).model


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x02\x05\x5a\x00" + bytes(4) + b"\x38\x1c", "version 0"),
        (b"\x02\x05\x5a\x01" + bytes(4) + b"\x00\x1c", "0 × 28"),
        (b"\x02\x05\x5a\x01" + bytes(4) + b"\xfe\xff\xff\x7f\x1c", "× 28"),
        (b"\x02\x05\x5a\xff\xff\xff\xff\xff\xff" + bytes(8), "does not end"),
        (b"\x01\x25\x01" + bytes(4) + b"\x38\x1c", "no model's"),
        (b"\x00\x01" + bytes(4) + b"\x38\x1c", "no model's"),
        (b"\x30\x05\x5a", "reaches over"),
    ],
)
def test_contents_that_make_no_sense_are_damage(body: bytes, why: str) -> None:
    with pytest.raises(CorruptedError, match=why):
        unpack(_sealed(b"\xd5S\x01" + bytes([len(body) + 4]) + body))


def test_a_name_that_is_none_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="no model name"):
        pack(replace(CODE, model="../a"))
