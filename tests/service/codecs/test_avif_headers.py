"""AVIF files whose coded frames are larger than the container says, made by Pillow's encoder."""

import struct
from io import BytesIO

import pytest
from PIL import Image

from service.codecs.av1_headers import read_frame_sizes
from service.codecs.avif_headers import _AvifFile, peek_avif_size
from service.codecs.images import decode_native
from service.errors import ContentTooLarge, InvalidValue
from tests.service.codecs.files import encoded, smooth

MAX_PIXELS = 64 * 64
LARGE = smooth(160, 96)


def _with_declared_size(data: bytes, width: int, height: int) -> bytes:
    """Change the sizes of `LARGE` in its ispe boxes and, 16.16 bits, in its tracks' headers."""
    for shift in (0, 16):
        before = struct.pack(">2I", LARGE.width << shift, LARGE.height << shift)
        data = data.replace(before, struct.pack(">2I", width << shift, height << shift))
    return data


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_limit_applies_to_the_coded_size(mode: str, frames: int) -> None:
    image = LARGE.convert(mode)
    data = encoded(image, "AVIF", save_all=True, append_images=[image] * (frames - 1))
    assert peek_avif_size(data) == (160, 96)
    with pytest.raises(ContentTooLarge, match="AVIF image of 160 × 96 pixels is over the limit"):
        decode_native(_with_declared_size(data, 10, 10), "RGB", MAX_PIXELS)


def test_limit_applies_to_a_coded_alpha_larger_than_the_color() -> None:
    data = encoded(smooth(32, 32).convert("RGBA"), "AVIF")
    alpha = encoded(Image.new("L", (160, 96)), "AVIF")
    start, length = _last_extent(data)
    other, other_length = _last_extent(alpha)
    coded = alpha[other : other + other_length]
    # The second item of the table, alpha, is moved to the end of the file.
    table = struct.pack(">2I", start, length)
    assert data.count(table) == 1
    moved = data.replace(table, struct.pack(">2I", len(data) + 8, len(coded)))
    changed = moved + struct.pack(">I4s", 8 + len(coded), b"mdat") + coded
    with pytest.raises(ContentTooLarge, match="160 × 96"):
        decode_native(changed, "RGB", MAX_PIXELS)


def _last_extent(data: bytes) -> tuple[int, int]:
    """Return (offset, length) of the last item in iloc, each of 4 bytes at its end."""
    at = data.index(b"iloc")
    (size,) = struct.unpack_from(">I", data, at - 4)
    return struct.unpack_from(">2I", data, at - 4 + size - 8)


def test_items_that_overlap_are_rejected() -> None:
    data = encoded(LARGE, "AVIF")
    table = struct.pack(">2I", *_last_extent(data))
    changed = data.replace(table, struct.pack(">2I", 0, 3 * len(data)))
    with pytest.raises(InvalidValue, match="damaged AVIF image: its items overlap"):
        decode_native(changed, "RGB", MAX_PIXELS)


def test_coded_pixels_are_limited_in_total() -> None:
    data = encoded(smooth(64, 64), "AVIF")
    start, length = _last_extent(data)
    coded = data[start : start + length]
    # Nine frames in one item, as hidden ones would be.
    changed = data.replace(
        struct.pack(">2I", start, length), struct.pack(">2I", len(data) + 8, 9 * length)
    )
    changed += struct.pack(">I4s", 8 + 9 * length, b"mdat") + 9 * coded
    with pytest.raises(InvalidValue, match="36864 coded pixels for an image of 4096"):
        decode_native(changed, "RGB", MAX_PIXELS)


def test_bytes_behind_the_last_box_are_ignored() -> None:
    data = encoded(smooth(64, 64), "AVIF")
    assert decode_native(data + b"\xff" * 50, "RGB", MAX_PIXELS).shape == (64, 64, 3)


@pytest.mark.parametrize("box", [b"iloc", b"iinf", b"meta", b"av01"])
def test_file_without_coded_images_is_invalid(box: bytes) -> None:
    data = encoded(LARGE, "AVIF").replace(box, b"free")
    with pytest.raises(InvalidValue, match="damaged AVIF image"):
        decode_native(data, "RGB", MAX_PIXELS)


def _bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def _obu(kind: int, bits: str) -> bytes:
    content = int(f"0{bits}", 2).to_bytes(len(bits) // 8, "big")
    return bytes([kind << 3 | 2, len(content) & 127 | 128, len(content) >> 7]) + content


def _with_larger_frame(sample: bytes) -> bytes:
    """Say 10 × 10 in the sequence header of a frame of 160 × 160, and 160 × 160 in its own header.

    The frame's header has two more fields of 8 bits then, so that the bytes behind it stay.
    """
    delimiter, sequence, frame = sample.split(b"\x0a")[0], *_contents(sample)
    old, new, side = f"01110111{159:08b}{159:08b}", f"01110111{9:08b}{9:08b}", f"{159:08b}"
    assert sequence.count(old) == 1
    assert frame.startswith("0001000")  # a key frame that is shown, without an override
    overridden = frame[:6] + "1" + frame[7:14] + side + side + frame[14:]
    return delimiter + _obu(1, sequence.replace(old, new)) + _obu(6, overridden)


def _contents(sample: bytes) -> list[str]:
    """Return the bits of the sequence header and of the frame in a sample of Pillow's."""
    obus = dict(_AvifFile(sample)._obus(sample))
    return [_bits(obus[1]), _bits(obus[6])]


def _overridden_file() -> tuple[bytes, bytes]:
    """Return an animation of 160 × 160, and the same file with a larger first frame."""
    image = smooth(160, 160)
    data = encoded(image, "AVIF", save_all=True, append_images=[image.rotate(90)])
    start, length = _last_extent(data)
    sizes, chunks = data.index(b"stsz") + 16, data.index(b"stco") + 12
    samples = data[start : start + sum(struct.unpack_from(">2I", data, sizes))]
    first = _with_larger_frame(samples[:length])
    end = len(data) + 8
    changed = bytearray(
        data.replace(struct.pack(">2I", start, length), struct.pack(">2I", end, len(first)))
    )
    struct.pack_into(">I", changed, sizes, len(first))
    struct.pack_into(">I", changed, chunks, end)
    moved = first + samples[length:]
    return data, bytes(changed) + struct.pack(">I4s", 8 + len(moved), b"mdat") + moved


def test_the_limit_holds_for_a_frame_that_is_larger_than_its_sequence_says() -> None:
    original, changed = _overridden_file()
    same = [Image.open(BytesIO(data)).convert("RGB").tobytes() for data in (original, changed)]
    assert same[0] == same[1]  # the decoder takes the file for what it is
    small = changed
    for shift in (0, 16):
        before, after = (struct.pack(">2I", side << shift, side << shift) for side in (160, 10))
        small = small.replace(before, after)
    assert peek_avif_size(small) == (160, 160)
    with pytest.raises(ContentTooLarge, match="AVIF image of 160 × 160 pixels is over the limit"):
        decode_native(small, "RGB", MAX_PIXELS)


def _read_sizes(*obus: tuple[int, str]) -> list[tuple[int, int]]:
    padded = [(kind, digits.replace(" ", "")) for kind, digits in obus]
    contents = [
        (kind, int(digits + "0" * (-len(digits) % 8), 2).to_bytes(-(-len(digits) // 8), "big"))
        for kind, digits in padded
    ]
    return list(read_frame_sizes(iter(contents)))


_REDUCED = "000 1 1 00000 0111 0111 11111111 00001111"
"""By section 5.5.1: profile 0, still and reduced, level 0, sides of 8 bits."""
_MODEL = (
    f"000001 {0:064} 11100000 {0:042} 100000 {0:012} 0100011000 10000 0011 0011 1001 0111 {0:032}"
)
"""Timing, a uvlc of 0, a decoder model with delays of 1 bit, one operating point of level 8."""
_FULL = (
    "000000 0 00000 000000000000 00000 0111 0111 00001001 00001001 1 0000 000 000 0000 1 00 1 1 000"
)
"""10 × 10, with frame identifiers of 3 bits, and order hints of 1 bit."""


@pytest.mark.parametrize(
    ("sequence", "frame", "sizes"),
    [
        (_REDUCED, "0", [(256, 16)]),
        # Its frames have more fields: the largest that sides of 4 bits can be.
        (_MODEL, "0", [(16, 16)]),
        # Shows an older frame.
        (_FULL, "1 000", []),
        # A key frame, without an override, and with one.
        (_FULL, "0 00 1 0 0 000 0 0", [(10, 10)]),
        (_FULL, "0 00 1 0 1 1 000 1 0 11000111 01100011", [(200, 100)]),
        # A hidden key frame, resilient; it refreshes 1 of 8, so that order hints follow.
        (_FULL, "0 00 0 0 1 0 0 000 1 0 00000001 00000000 11000111 01100011", [(200, 100)]),
        # Of two references, each 3 bits and an identifier of 2, with a size of its own.
        (
            _FULL,
            f"0 01 1 0 0 0 000 1 0 000 00000001 0 {0:035} 0000000 11000111 01100011",
            [(200, 100)],
        ),
        # A switch frame, which always has one.
        (_FULL, f"0 11 1 0 0 000 0 00000000 1 000000 {0:014} 11000111 01100011", [(200, 100)]),
    ],
    ids=["reduced", "model", "existing", "key", "override", "hidden", "inter", "switch"],
)
def test_headers_are_read_bit_by_bit(
    sequence: str, frame: str, sizes: list[tuple[int, int]]
) -> None:
    assert _read_sizes((1, sequence), (6, frame)) == sizes


def test_frame_as_large_as_a_reference_counts_as_the_largest_before() -> None:
    key = "0 00 1 0 1 1 000 1 0 11000111 01100011"
    inter = f"0 01 1 0 0 0 000 1 0 000 00000001 0 {0:035} 0000001"
    assert _read_sizes((1, _FULL), (6, key), (3, inter)) == [(200, 100), (200, 100)]


def test_clean_aperture_is_ignored_as_by_pillow() -> None:
    data = encoded(smooth(64, 40), "AVIF")
    # Width, height and offset of the centre as fractions (ISO 14496-12, section 12.1.4).
    cropped = _with_property(data, struct.pack(">I4s8i", 40, b"clap", 20, 1, 10, 1, -44, 2, -30, 2))
    expected = decode_native(data, "RGB", MAX_PIXELS)
    assert expected.shape == (40, 64, 3)
    assert (decode_native(cropped, "RGB", MAX_PIXELS) == expected).all()


def _with_property(data: bytes, box: bytes) -> bytes:
    """Add a property to the only image of a file: its box, and its number in ipma."""
    changed = bytearray(data)
    properties, associations = data.index(b"ipco") - 4, data.index(b"ipma") - 4
    count = associations + 18  # behind the header, the number of items, and the item's id
    for start, growth in (
        (data.index(b"meta") - 4, len(box) + 1), (data.index(b"iprp") - 4, len(box) + 1),
        (properties, len(box)), (associations, 1), (data.index(b"mdat") - 4, 0),
        (data.index(b"iloc") + 18, len(box) + 1),
    ):  # fmt: skip
        (size,) = struct.unpack_from(">I", data, start)
        struct.pack_into(">I", changed, start, size + growth)
    changed[count] += 1
    end = count + 1 + data[count]
    number = 1 + sum(kind in data for kind in (b"ispe", b"pixi", b"av1C", b"colr"))
    changed[end:end] = bytes([number | 0x80])
    changed[associations:associations] = box
    return bytes(changed)
