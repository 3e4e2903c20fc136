"""The few facts that are read from bytes here, since a library would spend memory to tell them.

Every function takes any bytes at all, and reads no more than it needs.
"""

import re
from collections.abc import Iterator
from struct import error as StructError  # noqa: N812
from struct import unpack_from

__all__ = [
    "describe",
    "exif_orientation",
    "first_directory",
    "gif_extension_blocks",
    "gif_size",
    "png_size",
    "told_size",
    "unknown_size",
    "webp_size",
]

_OTHER_KINDS = (
    (rb"%PDF-", "PDF"),
    (rb"\s*(?i:<!doctype html|<html)", "HTML"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "SVG"),
    (rb"\s*<\?xml", "XML"),
    (rb"\s*[{\[]\s*[\"{\[\d}\]]", "JSON"),
    (rb"--[^\r\n]+\r?\n(?i:content-disposition)", "multipart form without its Content-Type header"),
    (rb"data:[\w/+.-]*[;,]", "data URL"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
    (rb"....ftyp(?:hei[cxms]|mif1|msf1|hev[cx])", "HEIC"),
    (rb"....ftyp(?:avi[fs])", "AVIF"),
    (rb"....ftyp", "video"),
    (rb"\x1aE\xdf\xa3", "video"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0[\x01\x02]\0", "icon"),
    (rb"8BPS", "Photoshop"),
    (rb"P[1-7fF]\s", "Netpbm"),
    (rb"\x93NUMPY", "NumPy array"),
)


_MOST_SEGMENTS = 16
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def describe(data: bytes) -> str:
    """What the first bytes look like, in a word: PDF, HTML, text, …, unknown."""
    for pattern, name in _OTHER_KINDS:
        if re.match(pattern, data[:512], re.DOTALL):
            return name
    # A cut inside of a UTF-8 character is no sign of binary data, so it is ignored at the end.
    text = data[:512].decode("utf-8", "replace").rstrip("\ufffd")
    binary = re.search("[\0-\x08\x0e-\x1f\ufffd]", text)
    return "text" if text and not binary else "unknown"


def unknown_size(_: bytes) -> None:
    """For formats whose reader tells the size before it spends anything."""
    return


def png_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) by IHDR, before any compressed text is unpacked."""
    return unpack_from(">2I", data, 16) if data[12:16] == b"IHDR" and len(data) >= 24 else None


def told_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG or a JPEG, without a reader; None where that takes longer."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return png_size(data)
    return _jpeg_size(data) if data.startswith(b"\xff\xd8\xff") else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """By the frame header (ITU T.81, B.2.2), if it is among the first segments."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        marker, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] in _FRAMES:
            height, width = (int.from_bytes(data[at + o : at + o + 2], "big") for o in (5, 7))
            return width, height
        at += 2 + length
    return None


def webp_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of the canvas, which the reader allocates when it opens the file."""
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = unpack_from("<2H", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def gif_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of the screen, widened to the first frame as the reader widens it."""
    if len(data) < 13:
        return None
    width, height = unpack_from("<2H", data, 6)
    at = 0
    for at in gif_extension_blocks(data):  # noqa: B007
        pass
    if data[at : at + 1] == b"," and len(data) >= at + 9:
        left, top, frame_width, frame_height = unpack_from("<4H", data, at + 1)
        width, height = max(width, left + frame_width), max(height, top + frame_height)
    return width, height


def gif_extension_blocks(data: bytes) -> Iterator[int]:
    """Offsets behind the palette and behind each block after it; the last is that of the frame."""
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0)
    yield at
    while at < len(data) and data[at] not in b",;":
        if data[at] == ord("!"):  # an extension: a label, then blocks until an empty one
            at += 2
            while at < len(data) and data[at]:
                at += 1 + data[at]
                yield at
        at += 1  # the empty one; or a byte that means nothing, which the reader skips too
        yield at


def first_directory(tiff: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(tag, kind, count, value) of each field of the first directory of a TIFF or EXIF block.

    `value` is right for a single number of 16 bits. A block that points outside of itself ends.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return
    try:
        (at,) = unpack_from(f"{order}I", tiff, 4)
        (entries,) = unpack_from(f"{order}H", tiff, at)
        for entry in range(entries):
            tag, kind, count, value = unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * entry)
            yield tag, kind, count, value
    except StructError:
        return


def exif_orientation(exif: object) -> int:
    """Orientation 1 to 8 (EXIF 2.32, 4.6.4A) out of an EXIF block; 1 where it does not say.

    Pillow's own reader copies every value of the block, which older versions let overlap.
    """
    if not isinstance(exif, bytes):
        return 1
    for tag, kind, _, value in first_directory(exif.removeprefix(b"Exif\0\0")):
        if tag == 0x0112 and kind == 3:
            return value if 1 <= value <= 8 else 1
    return 1
