"""A PNG's transparent colour is compared at the depth of the file (third edition, 11.3.1.1)."""

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.tasks import FixedImage
from service.codecs.images import decode_native, decode_resized
from tests.service.codecs.files import MAX_PIXELS, png, png_chunk


def _png(
    samples_HWC: NDArray[np.uint16], depth: int, color_type: int, transparent: tuple[int, ...]
) -> bytes:
    height, width, channels = samples_HWC.shape
    bits = (samples_HWC[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.astype(np.uint8).reshape(height, -1), axis=1)
    scanlines = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(
        width,
        height,
        png_chunk(b"tRNS", struct.pack(f">{channels}H", *transparent)),
        png_chunk(b"IDAT", zlib.compress(scanlines)),
        png_chunk(b"IEND", b""),
        depth=depth,
        color=color_type,
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_gray_of_every_depth_is_transparent_where_it_equals_the_key(depth: int) -> None:
    white = (1 << depth) - 1
    values = np.unique(np.linspace(0, white, 16).round().astype(np.uint16))
    for key in values.tolist():
        expected = np.floor(values * 255.0 / white + 0.5)
        expected[values == key] = 255
        decoded = decode_native(_png(values[None, :, None], depth, 0, (key,)), "L", MAX_PIXELS)
        assert decoded.ravel().tolist() == expected.astype(int).tolist()


@pytest.mark.parametrize("depth", [8, 16])
def test_a_color_is_transparent_only_where_every_bit_equals_the_key(depth: int) -> None:
    scale = 257 if depth == 16 else 1
    base = np.array([200, 50, 100]) * scale
    samples = (base + np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], -base])).astype(np.uint16)[None]
    data = _png(samples, depth, 2, tuple(base.tolist()))
    expected = [(value >> 8 if depth == 16 else value).tolist() for value in samples[0]]
    expected[0] = [255, 255, 255]
    assert decode_native(data, "RGB", MAX_PIXELS)[0].tolist() == expected
    spec = FixedImage(width=4, height=1, mode="RGB", resize="stretch")
    assert decode_resized(data, spec, MAX_PIXELS)[0].tolist() == expected


def test_a_key_that_no_pixel_has_changes_nothing() -> None:
    samples = np.random.default_rng(0).integers(0, 65_536, (5, 7, 3)).astype(np.uint16)
    samples[0, 0] = 1
    decoded = decode_native(_png(samples, 16, 2, (65_535, 2, 3)), "RGB", MAX_PIXELS)
    assert np.array_equal(decoded, samples >> 8)
