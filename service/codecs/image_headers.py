"""Facts about a file that are read from its bytes, because a library would allocate memory first.

Every function takes any bytes, and reads no more than it needs.
"""

import re
from collections.abc import Iterator
from struct import unpack_from

from models_store.images.heif import AVIF_SIGNATURE, HEIF_SIGNATURE

_KNOWN_SIGNATURES = (
    (rb"%PDF-", "PDF"),
    (rb"\s*(?i:<!doctype html|<html)", "HTML"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "SVG"),
    (rb"\s*<\?xml", "XML"),
    (rb"\s*[{\[]\s*[\"{\[\d}\]]", "JSON"),
    (rb"--[^\r\n]+\r?\n(?i:content-disposition)", "multipart form without its Content-Type header"),
    (rb"data:[\w/+.-]*[;,]", "data URL"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
    (AVIF_SIGNATURE.pattern, "AVIF"),
    (HEIF_SIGNATURE.pattern, "HEIC"),
    (rb"....ftyp", "video"),
    (rb"\x1aE\xdf\xa3", "video"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0[\x01\x02]\0(?!\0\0)", "icon"),
    (rb"II\x2b\0|MM\0\x2b", "BigTIFF"),
    (rb"8BPS", "Photoshop"),
    (rb"P[1-7fF]\s", "Netpbm"),
    (rb"\x93NUMPY", "NumPy array"),
)


def sniff_kind(data: bytes) -> str:
    """Return what the first bytes look like, in a word: PDF, HTML, text, …, unknown."""
    for pattern, name in _KNOWN_SIGNATURES:
        if re.match(pattern, data[:512], re.DOTALL):
            return name
    # A cut inside of a UTF-8 character is no sign of binary data, so it is ignored at the end.
    text = data[:512].decode("utf-8", "replace").rstrip("\ufffd")
    binary = re.search("[\0-\x08\x0e-\x1f\ufffd]", text)
    return "text" if text and not binary else "unknown"


def peek_png_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) by IHDR, before any compressed text is unpacked."""
    return unpack_from(">2I", data, 16) if data[12:16] == b"IHDR" and len(data) >= 24 else None


def peek_webp_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of the canvas, which the reader allocates when it opens the file."""
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[offset : offset + 3], "little") for offset in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = unpack_from("<2H", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def peek_gif_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of the screen, extended by the first frame as the reader does."""
    if len(data) < 13:
        return None
    width, height = unpack_from("<2H", data, 6)
    offset = 0
    for offset in gif_block_offsets(data):  # noqa: B007
        pass
    if data[offset : offset + 1] == b"," and len(data) >= offset + 9:
        frame_left, frame_top, frame_width, frame_height = unpack_from("<4H", data, offset + 1)
        width, height = max(width, frame_left + frame_width), max(height, frame_top + frame_height)
    return width, height


def gif_block_offsets(data: bytes) -> Iterator[int]:
    """Yield the offset behind the palette and behind each block; the last is the frame's."""
    offset = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0)
    yield offset
    while offset < len(data) and data[offset] not in b",;":
        if data[offset] == ord("!"):  # an extension: a label, then blocks until an empty one
            offset += 2
            while offset < len(data) and data[offset]:
                offset += 1 + data[offset]
                yield offset
        offset += 1  # the empty one; or a byte that means nothing, which the reader skips too
        yield offset
