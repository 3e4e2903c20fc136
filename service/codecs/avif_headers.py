"""Sizes of the coded frames of an AVIF file, which libavif decodes before it compares sizes.

The container gives a size (`ispe`), and each coded frame has one of its own in AV1's headers;
libavif scales the second to the first. Boxes are those of ISO 14496-12 and ISO 23008-12.
"""

from collections.abc import Iterator
from struct import unpack_from

from service.codecs.av1_headers import Size, read_frame_sizes

__all__ = ["find_avif_bomb", "peek_avif_size"]

_MAX_PARTS = 8_000
"""Boxes, extents and OBUs, each a few steps in Python. A grid of 256 tiles has about 2,000."""
_MAX_OVERLAP = 2
"""Bytes of all items per byte of file."""
_MAX_FRAMES = 8
"""Coded pixels per pixel of the image: colour and alpha, either in up to four layers, or as items
and as tracks."""

_Span = tuple[int, int]


def peek_avif_size(data: bytes) -> Size:
    """Return the largest (width, height) of the coded frames and of the container.

    Raises:
        ValueError: the file is damaged, or has no coded picture.
    """
    file = _AvifFile(data)
    return max(file.read_declared_sizes() + file.read_coded_sizes(), key=_area)


def find_avif_bomb(data: bytes) -> str:
    """Check the pixels of all coded frames together, such as the tiles of a grid."""
    file = _AvifFile(data)
    coded = [_area(size) for size in file.read_coded_sizes()]
    largest = max(coded + [_area(size) for size in file.read_declared_sizes()])
    excessive = sum(coded) > _MAX_FRAMES * largest
    return f"{sum(coded)} coded pixels for an image of {largest}" if excessive else ""


def _area(size: Size) -> int:
    return size[0] * size[1]


class _AvifFile:
    """Reads boxes, items and OBUs, up to `_MAX_PARTS` of them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parts_left, self._bytes_left = _MAX_PARTS, _MAX_OVERLAP * len(data)
        self._metas = [(start + 4, end) for start, end in self._find((0, len(data)), b"meta")]

    def read_declared_sizes(self) -> list[Size]:
        """Return the sizes that the container gives (`ispe`)."""
        spans = [span for meta in self._metas for span in self._find(meta, b"iprp", b"ipco")]
        sizes = [ispe for span in spans for ispe in self._find(span, b"ispe")]
        return [unpack_from(">2I", self._data, start + 4) for start, _ in sizes]

    def read_coded_sizes(self) -> list[Size]:
        """Return the sizes of all frames of the items and tracks coded in AV1."""
        streams = [stream for meta in self._metas for stream in self._read_items(meta)]
        path = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
        for table in self._find((0, len(self._data)), *path):
            streams += self._read_first_sample(table)
        sizes = [list(read_frame_sizes(self._obus(stream))) for stream in streams]
        if not sizes or not all(sizes):
            raise ValueError("a picture is missing that is coded in AV1")
        return [size for frames in sizes for size in frames]

    def _count_part(self) -> None:
        self._parts_left -= 1
        if self._parts_left < 0:
            raise ValueError("it consists of too many small parts")

    def _boxes(self, span: _Span) -> Iterator[tuple[bytes, _Span]]:
        """Yield the type of each box in `span`, and where its content lies."""
        start, end = span
        while start + 8 <= end:
            self._count_part()
            size, kind = unpack_from(">I4s", self._data, start)
            content = start + 8
            if size == 1:
                (size,) = unpack_from(">Q", self._data, content)
                content += 8
            stop = start + size if size else end
            if not content <= stop <= end:
                if end == len(self._data):  # bytes behind the last box, which libavif ignores
                    return
                raise ValueError("a box has a size that means nothing")
            yield kind, (content, stop)
            start = stop

    def _find(self, span: _Span, *path: bytes) -> list[_Span]:
        """Return the boxes at `path`, a type for each level, in `span`."""
        spans = [span]
        for kind in path:
            spans = [box for outer in spans for name, box in self._boxes(outer) if name == kind]
        return spans

    def _find_one(self, span: _Span, kind: bytes) -> _Span:
        # libavif may read the first or the last of several.
        found = self._find(span, kind)
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} boxes {kind.decode()}")
        return found[0]

    def _read_items(self, meta: _Span) -> list[bytes]:
        """Return the bytes of each item coded in AV1, by iinf and iloc."""
        start, end = self._find_one(meta, b"iinf")
        coded = set()
        entries = (start + (8 if self._data[start] else 6), end)
        for entry, _ in self._find(entries, b"infe"):
            id_format = ">H2x4s" if self._data[entry] == 2 else ">I2x4s"
            item, kind = unpack_from(id_format, self._data, entry + 4)
            if kind == b"av01":
                coded.add(item)
        inner = self._find(meta, b"idat")
        streams = []
        for item, in_idat, extents in self._read_locations(self._find_one(meta, b"iloc")):
            if item in coded:
                base = inner[0][0] if in_idat else 0
                streams.append(b"".join(self._slice(base + at, size) for at, size in extents))
        return streams

    def _slice(self, start: int, length: int) -> bytes:
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise ValueError("its items overlap")
        return self._data[start : start + length]

    def _read_locations(self, iloc: _Span) -> Iterator[tuple[int, bool, list[_Span]]]:
        """Yield each item, whether its data is in the idat box, and its (offset, length)s."""
        data, cursor = self._data, iloc[0]
        version = data[cursor]
        offset_size, length_size = data[cursor + 4] >> 4, data[cursor + 4] & 15
        base_size, index_size = data[cursor + 5] >> 4, data[cursor + 5] & 15 if version else 0
        cursor += 6

        def take(size: int) -> int:
            nonlocal cursor
            cursor += size
            if cursor > iloc[1]:
                raise EOFError
            return int.from_bytes(data[cursor - size : cursor], "big")

        id_size = 4 if version == 2 else 2
        for _ in range(take(id_size)):
            item, method = take(id_size), take(2) & 15 if version else 0
            take(2)  # data reference
            base, extents = take(base_size), []
            for _ in range(take(2)):
                self._count_part()
                take(index_size)
                extents.append((base + take(offset_size), take(length_size)))
            self._count_part()
            yield item, method == 1, extents

    def _read_first_sample(self, table: _Span) -> list[bytes]:
        """Return the first frame of a track coded in AV1; no other is decoded."""
        start, end = self._find_one(table, b"stsd")
        if b"av01" not in self._data[start:end]:
            return []
        (fixed_size,) = unpack_from(
            ">I", self._data, (sizes := self._find_one(table, b"stsz")[0]) + 4
        )
        (size,) = (fixed_size,) if fixed_size else unpack_from(">I", self._data, sizes + 12)
        boxes = dict(self._boxes(table))
        kind, name = (">I", b"stco") if b"stco" in boxes else (">Q", b"co64")
        (offset,) = unpack_from(kind, self._data, self._find_one(table, name)[0] + 8)
        return [self._slice(offset, size)]

    def _obus(self, stream: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the type and the content of each OBU (AV1, section 5.3)."""
        start = 0
        while start < len(stream):
            self._count_part()
            header = stream[start]
            start += 2 if header & 4 else 1
            length = len(stream) - start
            if header & 2:
                length, start = _read_leb128(stream, start)
            if start + length > len(stream):
                raise EOFError
            yield header >> 3 & 15, stream[start : start + length]
            start += length


def _read_leb128(stream: bytes, start: int) -> tuple[int, int]:
    """Return the number at `start` (AV1, section 4.10.5), and the offset behind it."""
    value = 0
    for index in range(8):
        value |= (stream[start + index] & 127) << 7 * index
        if stream[start + index] < 128:
            return value, start + index + 1
    raise ValueError("an OBU has a size that means nothing")
