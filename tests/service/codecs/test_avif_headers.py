"""AVIF files whose coded pictures are larger than the container says, made by Pillow's encoder."""

import struct

import pytest
from PIL import Image

from service.codecs.avif_headers import _read_sequence_size, peek_avif_size
from service.codecs.images import ImageLimits, decode_native
from service.errors import ContentTooLarge, InvalidValue
from tests.service.codecs.files import encoded, smooth

LIMITS = ImageLimits(max_pixels=64 * 64)
LARGE = smooth(160, 96)


def _with_declared_size(data: bytes, width: int, height: int) -> bytes:
    """Change the sizes of `LARGE` in its ispe boxes and, 16.16 bits, in its tracks' headers."""
    for shift in (0, 16):
        before = struct.pack(">2I", LARGE.width << shift, LARGE.height << shift)
        data = data.replace(before, struct.pack(">2I", width << shift, height << shift))
    return data


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_limit_holds_for_the_coded_size(mode: str, frames: int) -> None:
    image = LARGE.convert(mode)
    data = encoded(image, "AVIF", save_all=True, append_images=[image] * (frames - 1))
    assert peek_avif_size(data) == (160, 96)
    with pytest.raises(ContentTooLarge, match="AVIF image of 160 × 96 pixels is over the limit"):
        decode_native(_with_declared_size(data, 10, 10), "RGB", LIMITS)


def test_the_limit_holds_for_a_coded_alpha_that_is_larger_than_the_colour() -> None:
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
        decode_native(changed, "RGB", LIMITS)


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
        decode_native(changed, "RGB", LIMITS)


def test_coded_pixels_are_limited_in_total() -> None:
    data = encoded(smooth(64, 64), "AVIF")
    start, length = _last_extent(data)
    coded = data[start : start + length]
    # Five pictures in one item.
    changed = data.replace(
        struct.pack(">2I", start, length), struct.pack(">2I", len(data) + 8, 5 * length)
    )
    changed += struct.pack(">I4s", 8 + 5 * length, b"mdat") + 5 * coded
    with pytest.raises(InvalidValue, match="20480 coded pixels for an image of 4096"):
        decode_native(changed, "RGB", LIMITS)


def test_bytes_behind_the_last_box_are_ignored() -> None:
    data = encoded(smooth(64, 64), "AVIF")
    assert decode_native(data + b"\xff" * 50, "RGB", LIMITS).shape == (64, 64, 3)


@pytest.mark.parametrize("box", [b"iloc", b"iinf", b"meta", b"av01"])
def test_a_file_whose_pictures_are_not_found_is_invalid(box: bytes) -> None:
    data = encoded(LARGE, "AVIF").replace(box, b"free")
    with pytest.raises(InvalidValue, match="damaged AVIF image"):
        decode_native(data, "RGB", LIMITS)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        # By section 5.5.1: profile 0, still and reduced, level 0, sides of 8 bits.
        ("000 1 1 00000 0111 0111 11111111 00001111", (256, 16)),
        # Timing, a uvlc of 0, a decoder model with delays of 1 bit, one operating point of level 8.
        (
            f"000001 {0:064} 11100000 {0:042} 100000 {0:012} 0100011000 10000 0011 0011 1001 0111",
            (10, 8),
        ),
    ],
)
def test_sequence_headers_are_read_bit_by_bit(header: str, size: tuple[int, int]) -> None:
    digits = header.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    assert _read_sequence_size(int(digits, 2).to_bytes(len(digits) // 8, "big")) == size
