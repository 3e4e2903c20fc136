"""Pixels that a HEIC file makes libheif decode, beside those of the image that it shows.

An item may hold pictures that are decoded and never shown (H.265, `pic_output_flag`), and an image
may be derived from others (`dimg`): a grid of tiles, or a stack that names one image many times.
"""

from collections.abc import Iterator
from struct import unpack_from

from service.codecs.iso_media import IsoMediaFile

_MAX_PICTURES = 8
"""Decoded pixels per pixel of the image, with its alpha."""
_SLICES_PER_PICTURE = 16
"""Slices may overlap, each as costly as a picture; encoders write up to one per row of blocks."""
_CODED = (b"hvc1", b"hev1")
_SLICE_TYPES = range(32)


def peek_heic_size(data: bytes) -> tuple[int, int]:
    """Return the (width, height) of the image before it is cropped or rotated.

    Raises:
        ValueError: the file is damaged, or has no image.
    """
    return _HeicFile(data).size


def find_heic_bomb(data: bytes) -> str:
    """Check the pixels of all pictures that are decoded for the image and its alpha."""
    file = _HeicFile(data)
    width, height = file.size
    decoded = file.count_decoded_pixels()
    excessive = decoded > _MAX_PICTURES * width * height
    return f"{decoded} coded pixels for an image of {width * height}" if excessive else ""


class _HeicFile(IsoMediaFile):
    """Reads the primary item and what it is made of."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        if len(self.metas) != 1:
            raise ValueError(f"it has {len(self.metas)} meta boxes")
        (self._meta,) = self.metas
        start, _ = self.find_one(self._meta, b"pitm")
        (self._primary,) = unpack_from(">I" if data[start] else ">H", data, start + 4)
        self._sizes = self._read_sizes()
        if self._primary not in self._sizes:
            raise ValueError("its image has no size")
        self.size = self._sizes[self._primary]

    def count_decoded_pixels(self) -> int:
        """Return the pixels of all pictures decoded for the primary item and its auxiliary ones."""
        pictures = self._count_pictures()
        parts = self._read_references(b"dimg")
        counted: dict[int, int | None] = {}

        def count(item: int) -> int:
            if item not in counted:
                counted[item] = None  # until its parts are counted
                width, height = self._sizes.get(item, self.size)
                own = pictures.get(item, 0) * width * height
                counted[item] = own + sum(count(part) for part in parts.get(item, ()))
            pixels = counted[item]
            if pixels is None:
                raise ValueError("an image is derived from itself")
            return pixels

        auxiliary = self._read_references(b"auxl")
        return count(self._primary) + sum(
            count(item) for item, targets in auxiliary.items() if self._primary in targets
        )

    def _count_pictures(self) -> dict[int, int]:
        """Return the number of pictures in each coded item."""
        coded = {item for item, kind in self.read_kinds(self._meta).items() if kind in _CODED}
        boxes = [
            box for span in self.find(self._meta, b"iprp", b"ipco") for box in self.boxes(span)
        ]
        if any(self.data[start + 21] & 3 != 3 for kind, (start, _) in boxes if kind == b"hvcC"):
            raise ValueError("its NAL unit lengths do not have 4 bytes")
        streams = self.read_items(self._meta, coded)
        return {item: self._count_in_stream(stream) for item, stream in streams.items()}

    def _count_in_stream(self, stream: bytes) -> int:
        """Count by the types of NAL units, and first_slice_segment_in_pic_flag (H.265, 7.3)."""
        pictures = slices = start = 0
        while start + 6 < len(stream):
            self.count_part()
            (length,) = unpack_from(">I", stream, start)
            if stream[start + 4] >> 1 & 63 in _SLICE_TYPES:
                slices += 1
                pictures += stream[start + 6] >> 7
            start += 4 + length
        return pictures + slices // _SLICES_PER_PICTURE

    def _read_sizes(self) -> dict[int, tuple[int, int]]:
        """Return the size that the container gives each item (`ispe`)."""
        boxes = [
            box for span in self.find(self._meta, b"iprp", b"ipco") for box in self.boxes(span)
        ]
        sizes = {}
        for start, _ in self.find(self._meta, b"iprp", b"ipma"):
            for item, index in self._read_associations(start):
                kind, (at, _) = boxes[index - 1]
                if kind == b"ispe":
                    sizes[item] = unpack_from(">2I", self.data, at + 4)
        return sizes

    def _read_associations(self, ipma: int) -> Iterator[tuple[int, int]]:
        """Yield each item with the number of each of its properties, the first being 1."""
        item_format, item_size = (">I", 4) if self.data[ipma] else (">H", 2)
        index_format, index_size, mask = (
            (">H", 2, 0x7FFF) if self.data[ipma + 3] & 1 else (">B", 1, 0x7F)
        )
        (entries,) = unpack_from(">I", self.data, ipma + 4)
        cursor = ipma + 8
        for _ in range(entries):
            (item,) = unpack_from(item_format, self.data, cursor)
            cursor += item_size + 1
            for _ in range(self.data[cursor - 1]):
                self.count_part()
                (index,) = unpack_from(index_format, self.data, cursor)
                cursor += index_size
                if index & mask:
                    yield item, index & mask
            self.count_part()

    def _read_references(self, kind: bytes) -> dict[int, list[int]]:
        """Return the items to which each item has a reference of type `kind`."""
        references: dict[int, list[int]] = {}
        for start, end in self.find(self._meta, b"iref"):
            letter = "I" if self.data[start] else "H"
            for at, _ in self.find((start + 4, end), kind):
                source, count = unpack_from(f">{letter}H", self.data, at)
                targets = unpack_from(
                    f">{count}{letter}", self.data, at + (6 if letter == "I" else 4)
                )
                for _ in targets:
                    self.count_part()
                references.setdefault(source, []).extend(targets)
        return references
