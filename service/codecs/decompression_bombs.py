"""Files whose decoding would cost far more time or memory than their pixels: small bombs.

Each function gets bytes with the signature of its format, and says what there is too much of, or
"". The limits are far over what cameras, editors and encoders write, and do not grow with the body.
"""

import re
from itertools import islice
from struct import unpack_from

from service.codecs.image_headers import first_directory, gif_extension_blocks

__all__ = ["gif_excess", "jpeg_excess", "nothing", "png_excess", "tiff_excess"]

_MAX_SCANS = 50
"""A progressive JPEG has about 10. Each is a pass over all pixels at a price of some 20 bytes:
49 Mpx take 0.9 s with 10 scans, 5 s with 100."""
_MAX_PARTS = 20_000
"""Chunks of a PNG, blocks before the first frame of a GIF: each is a few steps in Python."""
_MAX_VALUES = 100_000
"""Of one TIFF field; each becomes an object. A picture of 65,535 rows has as many strips."""

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither stuffing, restart nor fill
_TIFF_BYTES = {1, 2, 6, 7}  # kinds that stay one string


def nothing(_: bytes) -> str:
    """For formats that hold no more than their pixels."""
    return ""


def jpeg_excess(data: bytes) -> str:
    """Scans: how often a decoder passes over the pixels."""
    # Coded pixels cannot hold FF DA, so this count is never too small; metadata or an appended
    # video may hold it, so a count that is too high is looked at closely.
    if data.count(b"\xff\xda") <= _MAX_SCANS:
        return ""
    at, scans = 2, 0
    while found := _MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == 0xD9:  # end of image
            break
        scans += marker == 0xDA
        if scans > _MAX_SCANS:
            return f"more than {_MAX_SCANS} scans"
        if marker not in {0x01, 0xD8}:  # the two that have no length
            at += int.from_bytes(data[at : at + 2], "big")
    return ""


def png_excess(data: bytes) -> str:
    """Chunks."""
    at, chunks = 8, 0
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        chunks += 1
        if chunks > _MAX_PARTS:
            return f"more than {_MAX_PARTS} chunks"
        (length,) = unpack_from(">I", data, at)
        at += 12 + length
    return ""


def gif_excess(data: bytes) -> str:
    """Blocks of comments and the like before the first frame."""
    blocks = sum(1 for _ in islice(gif_extension_blocks(data), _MAX_PARTS + 1))
    return f"more than {_MAX_PARTS} extension blocks" if blocks > _MAX_PARTS else ""


def tiff_excess(data: bytes) -> str:
    """Values of one field, such as the offsets of its strips."""
    for tag, kind, count, _ in first_directory(data):
        if count > _MAX_VALUES and kind not in _TIFF_BYTES:
            return f"{count} values of field {tag}; at most {_MAX_VALUES}"
    return ""
