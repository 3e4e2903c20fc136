"""HEIC files that make libheif decode more pixels than they show, made with Pillow's encoder."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from service.codecs.heic_headers import find_heic_bomb, peek_heic_size
from service.codecs.images import decode_native
from service.errors import ContentTooLarge, InvalidValue
from tests.service.codecs.files import MAX_PIXELS, encoded, smooth

SIDE = 64
TILES = [Image.new("RGB", (SIDE, SIDE), color) for color in ("red", "lime", "blue", "white")]


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, *content: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *content)


def _coded(image: Image.Image) -> tuple[bytes, bytes]:
    """Return the hvcC box and the coded bytes of a picture, from the end of Pillow's file."""
    data = encoded(image, "HEIF", quality=90, chroma=444)
    start = data.index(b"hvcC") - 4
    (size,) = struct.unpack_from(">I", data, start)
    return data[start : start + size], data[data.index(b"mdat") + 4 :]


@dataclass
class _Heic:
    """A file of items; the last one is shown. Items are numbered from 1."""

    kinds: Sequence[bytes]
    contents: Sequence[bytes]
    sizes: Sequence[tuple[int, int]]
    references: Mapping[int, Sequence[int]] = field(default_factory=dict)
    reference_kind: bytes = b"dimg"
    hvcc: bytes = _box(b"hvcC", bytes(21), b"\3")
    wide: bool = False
    """Boxes in their versions for item numbers of 32 bits."""

    def build(self) -> bytes:
        """Return the file."""
        start = len(self._head(0)) + 8
        return self._head(start) + _box(b"mdat", *self.contents)

    def _head(self, offset: int) -> bytes:
        item = ">I" if self.wide else ">H"
        numbers = [struct.pack(item, number) for number in range(1, len(self.kinds) + 1)]
        entries = [
            _full(b"infe", 3 if self.wide else 2, number, bytes(2), kind, b"\0")
            for number, kind in zip(numbers, self.kinds, strict=True)
        ]
        places = self._places(numbers, offset)
        links = [
            _box(
                self.reference_kind,
                struct.pack(item, source) + struct.pack(">H", len(targets)),
                *(struct.pack(item, target) for target in targets),
            )
            for source, targets in self.references.items()
        ]
        version = int(self.wide)
        return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", version, numbers[-1]),
            _full(b"iinf", 0, struct.pack(">H", len(entries)), *entries),
            _full(b"iref", version, *links) if links else b"",
            self._properties(numbers),
            _full(b"iloc", 2 * version, b"\x44\0", struct.pack(item, len(places)), *places),
        )

    def _places(self, numbers: Sequence[bytes], offset: int) -> list[bytes]:
        places = []
        for number, content in zip(numbers, self.contents, strict=True):
            method = bytes(2) if self.wide else b""
            places.append(number + method + struct.pack(">2H2I", 0, 1, offset, len(content)))
            offset += len(content)
        return places

    def _properties(self, numbers: Sequence[bytes]) -> bytes:
        sizes = [_full(b"ispe", 0, struct.pack(">2I", *size)) for size in self.sizes]
        index = ">H" if self.wide else ">B"
        associations = [
            number + b"\2" + struct.pack(index, 1) + struct.pack(index, position)
            for position, number in enumerate(numbers, start=2)
        ]
        count = struct.pack(">I", len(numbers))
        return _box(
            b"iprp",
            _box(b"ipco", self.hvcc, *sizes),
            _full(b"ipma", int(self.wide), count, *associations, flags=int(self.wide)),
        )


def _grid(rows: int, columns: int, side: int) -> bytes:
    return struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, columns * side, rows * side)


@pytest.mark.parametrize("wide", [False, True])
def test_a_grid_of_tiles_is_decoded(wide: bool) -> None:
    tiles = [_coded(tile) for tile in TILES]
    data = _Heic(
        kinds=[b"hvc1"] * 4 + [b"grid"],
        contents=[*(content for _, content in tiles), _grid(2, 2, SIDE)],
        sizes=[(SIDE, SIDE)] * 4 + [(2 * SIDE, 2 * SIDE)],
        references={5: [1, 2, 3, 4]},
        hvcc=tiles[0][0],
        wide=wide,
    ).build()
    decoded = decode_native(data, "RGB", MAX_PIXELS)
    expected = np.concatenate(
        [np.concatenate([np.asarray(x) for x in row], 1) for row in (TILES[:2], TILES[2:])]
    )
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).max() <= 12
    assert peek_heic_size(data) == (2 * SIDE, 2 * SIDE)
    with pytest.raises(ContentTooLarge, match="HEIC image of 128 × 128 pixels"):
        decode_native(data, "RGB", 128 * 128 - 1)


def test_pictures_that_are_not_shown_are_counted() -> None:
    hvcc, content = _coded(smooth(SIDE, SIDE))

    def build(copies: int) -> bytes:
        return _Heic([b"hvc1"], [content * copies], [(SIDE, SIDE)], hvcc=hvcc).build()

    one, eight = (decode_native(build(copies), "RGB", MAX_PIXELS) for copies in (1, 8))
    assert np.array_equal(one, eight)
    with pytest.raises(InvalidValue, match="36864 coded pixels for an image of 4096"):
        decode_native(build(9), "RGB", MAX_PIXELS)


def _slices(count: int, *, first: int = 1) -> bytes:
    """Return NAL units of H.265: slices of an IDR picture, the `first` of which begin one."""
    flags = [0x80] * first + [0] * (count - first)
    return b"".join(struct.pack(">I4B", 4, 19 << 1, 1, flag, 0) for flag in flags)


SMALL, LARGE = (10, 10), (100, 100)


@pytest.mark.parametrize(
    ("file", "pixels"),
    [
        (_Heic([b"hvc1"], [_slices(8, first=8)], [LARGE]), 0),
        (_Heic([b"hvc1"], [_slices(17 * 7)], [LARGE]), 0),
        (_Heic([b"hvc1"], [_slices(17 * 8)], [LARGE]), 9 * 10_000),
        (_Heic([b"hvc1", b"iovl"], [_slices(1), b""], [LARGE, LARGE], {2: [1] * 8}), 0),
        (_Heic([b"hvc1", b"iovl"], [_slices(1), b""], [LARGE, LARGE], {2: [1] * 9}), 9 * 10_000),
        # Tiles that are larger than their grid.
        (_Heic([b"hvc1", b"grid"], [_slices(1), b""], [LARGE, SMALL], {2: [1]}), 10_000),
        # A stack of stacks.
        (
            _Heic(
                [b"hvc1", b"iovl", b"iovl"], [_slices(1), b"", b""], [LARGE] * 3,
                {2: [1] * 5, 3: [2] * 5},
            ),
            25 * 10_000,
        ),
        # Alpha, as the first item, of the second.
        (
            _Heic(
                [b"hvc1"] * 2, [_slices(8, first=8), _slices(1)], [LARGE] * 2, {1: [2]},
                reference_kind=b"auxl",
            ),
            9 * 10_000,
        ),
        # Not what is shown: no part of it, and no auxiliary image.
        (_Heic([b"hvc1"] * 2, [_slices(90, first=90), _slices(1)], [LARGE] * 2), 0),
    ],
    ids=["frames", "slices", "too-many-slices", "stack", "high-stack", "tiles", "nested", "alpha",
         "other"],
)  # fmt: skip
@pytest.mark.parametrize("wide", [False, True])
def test_decoded_pixels_are_counted(file: _Heic, pixels: int, wide: bool) -> None:
    file.wide = wide
    found = find_heic_bomb(file.build())
    assert found.startswith(f"{pixels} coded pixels") if pixels else not found


def test_an_image_derived_from_itself_is_invalid() -> None:
    file = _Heic([b"hvc1", b"iovl"], [_slices(1), b""], [LARGE] * 2, {2: [1, 2]})
    with pytest.raises(InvalidValue, match="derived from itself"):
        decode_native(file.build(), "RGB", MAX_PIXELS)


def test_the_limit_holds_before_an_image_is_cropped() -> None:
    file = _Heic([b"hvc1"], [_slices(1)], [(5000, 5000)]).build()
    with pytest.raises(ContentTooLarge, match="HEIC image of 5000 × 5000 pixels"):
        decode_native(file, "RGB", MAX_PIXELS)
