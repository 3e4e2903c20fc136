"""Depth and polarity of grey in TIFF 6.0 (PhotometricInterpretation, BitsPerSample)."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models_store.images.color_modes import convert_mode, to_array
from tests.models_store.images.files import gray_tiff


def _decoded(data: bytes) -> list[int]:
    pixels: list[int] = to_array(convert_mode(Image.open(BytesIO(data)), "L")).ravel().tolist()
    return pixels


def _pack_12_bits(values: NDArray[np.uint16]) -> bytes:
    bits = (values[:, None] >> np.arange(11, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def test_12_bit_gray_is_scaled_by_its_own_white() -> None:
    values = np.arange(4096, dtype=np.uint16)
    expected = np.floor(values * 255.0 / 4095 + 0.5).astype(int).tolist()
    assert _decoded(gray_tiff(_pack_12_bits(values), 4096, 12)) == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_every_depth_of_gray_has_its_polarity(bits: int, photometric: int) -> None:
    white = (1 << bits) - 1
    values = np.unique(np.linspace(0, white, 9).round().astype(np.uint16))[:8]
    if bits == 16:
        pixels = values.astype("<u2").tobytes()
    else:
        digits = (values[:, None] >> np.arange(bits - 1, -1, -1)) & 1
        pixels = np.packbits(digits.astype(np.uint8)).tobytes()
    scaled = np.floor(values * 255.0 / white + 0.5)
    expected = (scaled if photometric else 255 - scaled).astype(int).tolist()
    assert _decoded(gray_tiff(pixels, len(values), bits, photometric=photometric)) == expected


def test_unsigned_32_bits_are_not_negative() -> None:
    values = np.array([0, 1 << 31, (1 << 32) - 1], np.uint32)
    assert _decoded(gray_tiff(values.astype("<u4").tobytes(), 3, 32)) == [0, 128, 255]
    signed = np.array([-5, 0, 200], np.int32)
    assert _decoded(gray_tiff(signed.astype("<i4").tobytes(), 3, 32, sample_format=2)) == [
        0,
        0,
        200,
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_floats_have_their_polarity_too(order: str, photometric: int) -> None:
    pixels = np.array([0, 0.25, 1], f"{order}f4").tobytes()
    data = gray_tiff(pixels, 3, 32, photometric=photometric, sample_format=3, order=order)
    assert _decoded(data) == ([0, 64, 255] if photometric else [255, 191, 0])
