"""Fields of TIFF directories (TIFF 6.0, section 2), without Pillow's copies of their values."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as StructError  # noqa: N812
from struct import unpack_from

SHORT, LONG, _IFD = 3, 4, 13
_SUB_IFDS = 330
MAX_FIELDS = 1_000
"""Fields of a directory; files of microscopes and maps have 100."""
_MAX_IFDS = 16
"""Directories that `iter_ifd_offsets` follows. A camera's raw file has up to 8."""


@dataclass(frozen=True)
class TiffField:
    """One field: its tag and type, the number of its values, and the first or their offset."""

    tag: int
    kind: int
    count: int
    value: int
    """The value of a single SHORT, else the four bytes as one number: a LONG, or an offset."""


def read_ifd(tiff: bytes, offset: int | None = None) -> Iterator[TiffField]:
    """Yield the fields of the directory at `offset`, by default of the first.

    The iteration ends where the block points outside of itself, and after one more than
    `MAX_FIELDS`.
    """
    order = _byte_order(tiff)
    if order is None:
        return
    try:
        if offset is None:
            (offset,) = unpack_from(f"{order}I", tiff, 4)
        (entries,) = unpack_from(f"{order}H", tiff, offset)
        for entry in range(min(entries, MAX_FIELDS + 1)):
            position = offset + 2 + 12 * entry
            tag, kind, count = unpack_from(f"{order}HHI", tiff, position)
            number_format = "H" if kind == SHORT else "I"
            (value,) = unpack_from(f"{order}{number_format}", tiff, position + 8)
            yield TiffField(tag, kind, count, value)
    except StructError:
        return


def read_array(tiff: bytes, field: TiffField, limit: int) -> tuple[int, ...]:
    """Return up to `limit` values of an integer field, none where they lie outside of the file."""
    number_format, size = {SHORT: ("H", 2), LONG: ("I", 4), _IFD: ("I", 4)}.get(field.kind, ("", 0))
    if field.count == 1 and size:
        return (field.value,)
    if field.count * size <= 4:  # none, or two SHORTs in the field itself
        return ()
    order, count = _byte_order(tiff), min(field.count, limit)
    try:
        return unpack_from(f"{order}{count}{number_format}", tiff, field.value)
    except StructError:
        return ()


def iter_ifd_offsets(tiff: bytes) -> Iterator[int]:
    """Yield the offsets of the directories in the chain and of the SubIFDs of each, at most 16."""
    order = _byte_order(tiff)
    if order is None or len(tiff) < 8:
        return
    pending, seen = list(unpack_from(f"{order}I", tiff, 4)), set[int]()
    while pending and len(seen) < _MAX_IFDS:
        offset = pending.pop()
        if offset in seen or not 0 < offset < len(tiff):
            continue
        seen.add(offset)
        yield offset
        fields = list(read_ifd(tiff, offset))
        for field in fields:
            if field.tag == _SUB_IFDS:
                pending += read_array(tiff, field, _MAX_IFDS)
        end = offset + 2 + 12 * len(fields)
        next_ifd = tiff[end : end + 4]
        if len(next_ifd) == 4:
            pending += unpack_from(f"{order}I", next_ifd)


def _byte_order(tiff: bytes) -> str | None:
    return {b"II": "<", b"MM": ">"}.get(tiff[:2])
