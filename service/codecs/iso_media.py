"""Boxes and items of image files of the ISO family (ISO 14496-12 and 23008-12), without pixels."""

from collections.abc import Collection, Iterator
from struct import unpack_from

_MAX_PARTS = 8_000
"""Boxes, extents, OBUs and NAL units, each a few steps in Python. A grid of 256 tiles has 2,000."""
_MAX_OVERLAP = 2
"""Bytes of all items per byte of file."""

Span = tuple[int, int]
"""Where bytes begin and end."""


class IsoMediaFile:
    """Reads boxes and items, up to `_MAX_PARTS` of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._parts_left, self._bytes_left = _MAX_PARTS, _MAX_OVERLAP * len(data)
        self.metas = [(start + 4, end) for start, end in self.find((0, len(data)), b"meta")]

    def count_part(self) -> None:
        self._parts_left -= 1
        if self._parts_left < 0:
            raise ValueError("it consists of too many small parts")

    def boxes(self, span: Span) -> Iterator[tuple[bytes, Span]]:
        """Yield the type of each box in `span`, and where its content lies."""
        start, end = span
        while start + 8 <= end:
            self.count_part()
            size, kind = unpack_from(">I4s", self.data, start)
            content = start + 8
            if size == 1:
                (size,) = unpack_from(">Q", self.data, content)
                content += 8
            stop = start + size if size else end
            if not content <= stop <= end:
                if end == len(
                    self.data
                ):  # bytes behind the last box, which libavif and libheif ignore
                    return
                raise ValueError("a box has a size that means nothing")
            yield kind, (content, stop)
            start = stop

    def find(self, span: Span, *path: bytes) -> list[Span]:
        """Return the boxes at `path`, a type for each level, in `span`."""
        spans = [span]
        for kind in path:
            spans = [box for outer in spans for name, box in self.boxes(outer) if name == kind]
        return spans

    def find_one(self, span: Span, kind: bytes) -> Span:
        # libavif may read the first or the last of several.
        found = self.find(span, kind)
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} boxes {kind.decode()}")
        return found[0]

    def read_kinds(self, meta: Span) -> dict[int, bytes]:
        """Return the type of each item, by iinf."""
        start, end = self.find_one(meta, b"iinf")
        kinds = {}
        for entry, _ in self.find((start + (8 if self.data[start] else 6), end), b"infe"):
            id_format = ">H2x4s" if self.data[entry] == 2 else ">I2x4s"
            item, kind = unpack_from(id_format, self.data, entry + 4)
            kinds[item] = kind
        return kinds

    def read_items(self, meta: Span, items: Collection[int]) -> dict[int, bytes]:
        """Return the bytes of each of `items`, by iloc."""
        inner = self.find(meta, b"idat")
        contents = {}
        for item, in_idat, extents in self._read_locations(self.find_one(meta, b"iloc")):
            if item in items:
                base = inner[0][0] if in_idat else 0
                contents[item] = b"".join(self.slice(base + at, size) for at, size in extents)
        return contents

    def slice(self, start: int, length: int) -> bytes:
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise ValueError("its items overlap")
        return self.data[start : start + length]

    def _read_locations(self, iloc: Span) -> Iterator[tuple[int, bool, list[Span]]]:
        """Yield each item, whether its data is in the idat box, and its (offset, length)s."""
        data, cursor = self.data, iloc[0]
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
                self.count_part()
                take(index_size)
                extents.append((base + take(offset_size), take(length_size)))
            self.count_part()
            yield item, method == 1, extents
