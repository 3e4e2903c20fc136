"""Compressed bodies, against the standard library, and bombs among them."""

import gzip
import zlib

import numpy as np
import pytest

from service.codecs.content_coding import ContentCoding, decode_body, encode_body
from service.errors import BadRequest, ContentTooLarge, UnsupportedMediaType

TEXT = b"as it was " * 100


def _gzip(data: bytes) -> bytes:
    # With the time of day in its header, two workers of pytest-xdist collect other parameters.
    return gzip.compress(data, mtime=0)


def _raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (None, TEXT),
        ("identity", TEXT),
        ("gzip", _gzip(TEXT)),
        ("GZIP", _gzip(TEXT[:7]) + _gzip(TEXT[7:])),
        ("x-gzip", _gzip(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", _raw(TEXT)),
        ("gzip", _gzip(b"") * 999 + _gzip(TEXT)),
    ],
)
def test_a_body_is_unpacked(coding: str | None, body: bytes) -> None:
    assert decode_body(body, coding, len(TEXT)) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_longer_than_a_piece_is_unpacked(coding: ContentCoding) -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    body = encode_body(noise, coding)
    assert decode_body(body, coding, len(noise)) == noise
    assert decode_body(encode_body(bytes(10**6), coding), coding, 10**6) == bytes(10**6)
    if coding == "gzip":
        assert decode_body(body + body, coding, 2 * len(noise)) == 2 * noise


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", _gzip(bytes(10_000_000))),
        ("gzip", _gzip(bytes(600)) * 3),
        ("deflate", zlib.compress(bytes(10_000_000))),
        ("deflate", _raw(bytes(1001))),
    ],
)
def test_decompression_bomb_is_rejected_at_the_limit(coding: str, bomb: bytes) -> None:
    with pytest.raises(ContentTooLarge, match="over 1000 bytes"):
        decode_body(bomb, coding, 1000)


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("gzip", TEXT, "not gzip"),
        ("gzip", _gzip(TEXT)[:-9], "truncated"),
        ("gzip", _gzip(TEXT) + b"more", "not gzip"),
        ("deflate", b"\xff\xff\xff", "not deflate"),
        ("deflate", zlib.compress(TEXT)[:-9], "truncated"),
        ("deflate", zlib.compress(TEXT) + b"more", "after"),
        ("gzip", _gzip(b"") * 1001, "over 1000 gzip members"),
        ("gzip", _gzip(bytes(4_000)) * 2 + b"\0" * 40_000, "not gzip"),
    ],
)
def test_damaged_body_is_rejected(coding: str, body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        decode_body(body, coding, 10_000)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd"])
def test_other_codings_are_rejected_with_those_accepted(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="accepted: gzip, deflate, identity"):
        decode_body(b"", coding, 10)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_body_is_readable_by_standard_tools(coding: ContentCoding) -> None:
    unpack = gzip.decompress if coding == "gzip" else zlib.decompress
    assert unpack(encode_body(TEXT, coding)) == TEXT
