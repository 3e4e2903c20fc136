"""Sizes of the coded frames of an AVIF file, which libavif decodes before it compares sizes.

The container gives a size (`ispe`), and each coded frame has one of its own in AV1's headers;
libavif scales the second to the first.
"""

from collections.abc import Iterator
from struct import unpack_from

from models_store.varint import decode_varint
from service.codecs.av1_headers import Size, read_frame_sizes
from service.codecs.iso_media import IsoMediaFile, Span

_MAX_FRAMES = 8
"""Coded pixels per pixel of the image: colour and alpha, either in up to four layers, or as items
and as tracks."""
_MAX_SIZE_BYTES = 8
"""Bytes of an OBU's size (AV1, section 4.10.5)."""


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


class _AvifFile(IsoMediaFile):
    """Reads the frames of items and tracks."""

    def read_declared_sizes(self) -> list[Size]:
        """Return the sizes that the container gives (`ispe`)."""
        spans = [span for meta in self.metas for span in self.find(meta, b"iprp", b"ipco")]
        sizes = [ispe for span in spans for ispe in self.find(span, b"ispe")]
        return [unpack_from(">2I", self.data, start + 4) for start, _ in sizes]

    def read_coded_sizes(self) -> list[Size]:
        """Return the sizes of all frames of the items and tracks coded in AV1."""
        streams: list[bytes] = []
        for meta in self.metas:
            coded = {item for item, kind in self.read_kinds(meta).items() if kind == b"av01"}
            streams += self.read_items(meta, coded).values()
        path = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
        for table in self.find((0, len(self.data)), *path):
            streams += self._read_first_sample(table)
        sizes = [list(read_frame_sizes(self._obus(stream))) for stream in streams]
        if not sizes or not all(sizes):
            raise ValueError("a picture is missing that is coded in AV1")
        return [size for frames in sizes for size in frames]

    def _read_first_sample(self, table: Span) -> list[bytes]:
        """Return the first frame of a track coded in AV1; no other is decoded."""
        start, end = self.find_one(table, b"stsd")
        if b"av01" not in self.data[start:end]:
            return []
        (fixed_size,) = unpack_from(
            ">I", self.data, (sizes := self.find_one(table, b"stsz")[0]) + 4
        )
        (size,) = (fixed_size,) if fixed_size else unpack_from(">I", self.data, sizes + 12)
        boxes = dict(self.boxes(table))
        kind, name = (">I", b"stco") if b"stco" in boxes else (">Q", b"co64")
        (offset,) = unpack_from(kind, self.data, self.find_one(table, name)[0] + 8)
        return [self.slice(offset, size)]

    def _obus(self, stream: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the type and the content of each OBU (AV1, section 5.3)."""
        start = 0
        while start < len(stream):
            self.count_part()
            header = stream[start]
            start += 2 if header & 4 else 1
            length = len(stream) - start
            if header & 2:
                length, start = decode_varint(stream, start, _MAX_SIZE_BYTES)
            if start + length > len(stream):
                raise EOFError
            yield header >> 3 & 15, stream[start : start + length]
            start += length
