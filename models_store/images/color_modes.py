"""Conversion of Pillow's modes to 8-bit grey (L) or RGB, without alpha."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from models_store.tasks import ColorMode

_WHITE_POINTS = (255.0, 65_535.0)
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_TIFF_DEFAULTS = {_SAMPLE_FORMAT: 1}
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
"""Values of PhotometricInterpretation and SampleFormat (TIFF 6.0)."""


def convert_mode(image: Image.Image, mode: ColorMode | Literal["CMYK"]) -> Image.Image:
    """Return the image in `mode`: alpha over white, deep grey scaled to 8 bits, grey ↔ RGB by luma.

    Grey of 12 and 16 bits is divided by the largest value that its depth can hold. Grey of 32 bits
    (integers or floats, in TIFF) declares no usable white, so white is the smallest of 1 (floats
    alone), 255, 65535 and the image's own maximum that holds all of it; negative values and NaN
    are black. Where TIFF's polarity is WhiteIsZero, the result is inverted.
    """
    if image.mode.startswith("I;16"):
        image = _convert_16_bit(image)
    elif image.mode in {"I", "F"}:
        image = Image.fromarray(_invert_white_is_zero(image, _scale_to_8_bit(_samples_32(image))))
    if image.has_transparency_data:
        image = _flatten_alpha(image)
    if image.mode == mode:
        return image
    if image.mode not in {"1", "L", "P", "RGB"}:
        image = image.convert("RGB")  # Pillow cannot convert CMYK, YCbCr, LAB and HSV to L
    return image.convert(mode)


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an image in mode L or RGB, (H, W, C), read-only and C-contiguous."""
    array_HW_or_HWC: NDArray[np.uint8] = np.asarray(image)
    return array_HW_or_HWC.reshape(image.height, image.width, -1)


def _flatten_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")  # the only conversion from La that Pillow has
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _convert_16_bit(image: Image.Image) -> Image.Image:
    source_HW: NDArray[np.uint16] = np.asarray(image)
    bits = _tiff_tag(image, _BITS_PER_SAMPLE, 16)
    gray_HW = _invert_white_is_zero(image, np.take(_table_to_8_bit(bits), source_HW))
    transparent = image.info.get("transparency")  # of a PNG: the value of transparent pixels
    if isinstance(transparent, int):
        gray_HW[source_HW == transparent] = 255
    return Image.fromarray(gray_HW)


@cache
def _table_to_8_bit(bits: int) -> NDArray[np.uint8]:
    """Return 255 · v / white, rounded, for every 16-bit v, where white is 2^bits - 1.

    Pillow's own conversion clips everything over 255 to white.
    """
    white = (1 << bits) - 1
    values = np.minimum(np.arange(65_536, dtype=np.uint32), white)
    return ((values * 255 + white // 2) // white).astype(np.uint8)


def _samples_32(image: Image.Image) -> NDArray[np.int32 | np.uint32 | np.float32]:
    samples_HW: NDArray[np.int32 | np.float32] = np.asarray(image)
    if image.mode == "I" and _tiff_tag(image, _SAMPLE_FORMAT, 0) == _UNSIGNED:
        return samples_HW.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
    return samples_HW


def _scale_to_8_bit(source_HW: NDArray[np.int32 | np.uint32 | np.float32]) -> NDArray[np.uint8]:
    finite_HW = np.nan_to_num(source_HW.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(finite_HW.max())
    points = (1.0, *_WHITE_POINTS) if source_HW.dtype.kind == "f" else _WHITE_POINTS
    white = next((point for point in points if peak <= point), peak)
    np.clip(finite_HW, 0.0, white, out=finite_HW)
    finite_HW *= 255.0 / white
    return np.rint(finite_HW, out=finite_HW).astype(np.uint8)


def _invert_white_is_zero(image: Image.Image, gray_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Pillow inverts up to 8 bits itself.
    return 255 - gray_HW if _tiff_tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO else gray_HW


def _tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    """Return the first value of a tag; `default` where it is missing.

    Other formats than TIFF get `default`, too.
    """
    if not isinstance(image, TiffImageFile):
        return default
    value = image.tag_v2.get(tag, _TIFF_DEFAULTS.get(tag, default))
    return int(value[0] if isinstance(value, tuple) else value)
