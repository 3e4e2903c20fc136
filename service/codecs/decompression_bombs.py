"""Files whose decoding would cost far more time or memory than their pixels: small bombs.

Each function gets bytes with the signature of its format, and says what there is too much of, or
"". The limits are far over what cameras, editors and encoders write, and do not grow with the body.
"""

import re
from itertools import islice
from struct import unpack_from

from service.codecs.image_headers import gif_block_offsets, read_first_ifd

__all__ = ["find_gif_bomb", "find_jpeg_bomb", "find_no_bomb", "find_png_bomb", "find_tiff_bomb"]

_MAX_SCANS = 50
"""A progressive JPEG has about 10. Each is a pass over all pixels at a price of some 20 bytes:
49 Mpx take 0.9 s with 10 scans, 5 s with 100."""
_MAX_BLOCKS = 20_000
"""Chunks of a PNG, blocks before the first frame of a GIF: each is a few steps in Python."""
_MAX_VALUES = 100_000
"""Values of one TIFF field; each becomes an object. 65,535 rows can mean as many strips."""

_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither stuffing, restart nor fill
_TIFF_BYTE_TYPES = {1, 2, 6, 7}  # kinds that stay one string


def find_no_bomb(_: bytes) -> str:
    """Return no problem, for formats that hold nothing but pixels."""
    return ""


def find_jpeg_bomb(data: bytes) -> str:
    """Scans: how often a decoder passes over the pixels."""
    # Coded pixels cannot hold FF DA, so this count is never too small; metadata or an appended
    # video may hold it, so a count that is too high is looked at closely.
    if data.count(b"\xff\xda") <= _MAX_SCANS:
        return ""
    offset, scans = 2, 0
    while match := _JPEG_MARKER.search(data, offset):
        marker, offset = data[match.end() - 1], match.end()
        if marker == 0xD9:  # end of image
            break
        scans += marker == 0xDA
        if scans > _MAX_SCANS:
            return f"more than {_MAX_SCANS} scans"
        if marker not in {0x01, 0xD8}:  # the two that have no length
            offset += int.from_bytes(data[offset : offset + 2], "big")
    return ""


def find_png_bomb(data: bytes) -> str:
    """Chunks."""
    offset, chunks = 8, 0
    while offset + 12 <= len(data) and data[offset + 4 : offset + 8] != b"IEND":
        chunks += 1
        if chunks > _MAX_BLOCKS:
            return f"more than {_MAX_BLOCKS} chunks"
        (length,) = unpack_from(">I", data, offset)
        offset += 12 + length
    return ""


def find_gif_bomb(data: bytes) -> str:
    """Blocks of comments and the like before the first frame."""
    blocks = sum(1 for _ in islice(gif_block_offsets(data), _MAX_BLOCKS + 1))
    return f"more than {_MAX_BLOCKS} extension blocks" if blocks > _MAX_BLOCKS else ""


def find_tiff_bomb(data: bytes) -> str:
    """Values of one field, such as the offsets of its strips."""
    for tag, kind, count, _ in read_first_ifd(data):
        if count > _MAX_VALUES and kind not in _TIFF_BYTE_TYPES:
            return f"{count} values of field {tag}; at most {_MAX_VALUES}"
    return ""
