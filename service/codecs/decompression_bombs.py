"""Reject files whose decoding would cost far more time or memory than their bytes and pixels.

Each function gets bytes with the signature of its format, and returns what there is too much of, or
an empty string. The limits are far over what cameras, editors and encoders write.
"""

import re
from io import BytesIO
from itertools import islice

from models_store.images.tiff import MAX_FIELDS, read_array, read_ifd
from service.codecs.image_headers import gif_block_offsets

_MAX_SCANS = 50
"""A progressive JPEG has about 10. Each scan is a pass over all pixels for some 20 bytes of file:
49 Mpx take 0.9 s with 10 scans, 5 s with 100."""
_MAX_EXIF_SEGMENTS = 64
"""Pillow joins them one by one, in time that grows with the square of their number."""
_MAX_GIF_BLOCKS = 4_000
"""Blocks before the first frame of a GIF: each is a few steps in Python."""
_MAX_VALUES = 100_000
"""Values of one TIFF field; each becomes an object. 65,535 rows can mean as many strips."""
_MAX_OVERLAP = 2
"""Bytes of all strips of a TIFF per byte of file. Strips that overlap are read again and again."""

_SMALL_FILE_BYTES = 1 << 14
_MIN_READS, _BYTES_PER_READ = 4_000, 128
"""Reads allowed: 4,000, and one more for each 128 bytes. Pillow reads a segment of a JPEG, a chunk
of a PNG and a field of a TIFF by 1 to 4 of them, and each is a few steps in Python."""

_EXIF_HEADER, _START_OF_SCAN = re.compile(rb"Exif\0\0"), re.compile(rb"\xff\xda")
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither stuffing, restart nor fill
_TIFF_BYTE_TYPES = {1, 2, 6, 7}  # types whose values stay one string
_STRIP_BYTE_COUNTS, _TILE_BYTE_COUNTS = 279, 325


class _BoundedFile(BytesIO):
    """A file that rejects more reads than its size justifies."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _MIN_READS + len(data) // _BYTES_PER_READ

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ValueError("it consists of too many small parts")
        return super().read(size)


def open_bounded(data: bytes) -> BytesIO:
    """Return a file for Pillow that rejects a header of too many segments, chunks or fields."""
    # A small file cannot have many, and a plain BytesIO is faster.
    return BytesIO(data) if len(data) <= _SMALL_FILE_BYTES else _BoundedFile(data)


def find_jpeg_bomb(data: bytes) -> str:
    """Check the number of EXIF segments and of scans."""
    # Also counts those of embedded previews, of which there are few.
    if _occurs_more_often(_EXIF_HEADER, data, _MAX_EXIF_SEGMENTS):
        return f"more than {_MAX_EXIF_SEGMENTS} EXIF segments"
    # Coded pixels cannot hold FF DA, so this count is never too small; metadata or an appended
    # video may hold it, so a count that is too high is followed by a closer look.
    if not _occurs_more_often(_START_OF_SCAN, data, _MAX_SCANS):
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


def _occurs_more_often(pattern: re.Pattern[bytes], data: bytes, limit: int) -> bool:
    # Of JPEG data, `re` searches 3 GB a second, `bytes.count` 1 to 2.
    return next(islice(pattern.finditer(data), limit, None), None) is not None


def find_gif_bomb(data: bytes) -> str:
    """Check the number of comments and other blocks before the first frame."""
    blocks = sum(1 for _ in islice(gif_block_offsets(data), _MAX_GIF_BLOCKS + 1))
    return f"more than {_MAX_GIF_BLOCKS} extension blocks" if blocks > _MAX_GIF_BLOCKS else ""


def find_tiff_bomb(data: bytes) -> str:
    """Check the number of fields, the values of each, and the bytes of all strips."""
    for number, field in enumerate(read_ifd(data)):
        if number >= MAX_FIELDS:
            return f"more than {MAX_FIELDS} fields"
        if field.count > _MAX_VALUES and field.kind not in _TIFF_BYTE_TYPES:
            return f"{field.count} values of field {field.tag}; at most {_MAX_VALUES}"
        if field.tag in (_STRIP_BYTE_COUNTS, _TILE_BYTE_COUNTS):
            strip_bytes = sum(read_array(data, field, _MAX_VALUES))
            if field.count > 1 and strip_bytes > _MAX_OVERLAP * len(data):
                return f"strips of {strip_bytes} bytes in a file of {len(data)}"
    return ""
