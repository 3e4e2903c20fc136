"""Any of Pillow's modes as 8-bit grey (L) or RGB, without alpha."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models_store.tasks import ColorMode

__all__ = ["convert_mode", "to_array"]

_WHITE_POINTS = (255.0, 65_535.0)
# Rounded v / 257 for every v: 65535 → 255. Pillow's convert("L") cuts everything over 255 to white.
_UINT16_TO_UINT8 = ((np.arange(65_536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def convert_mode(image: Image.Image, mode: ColorMode | Literal["CMYK"]) -> Image.Image:
    """The image in `mode`: alpha over white, deep grey scaled to 8 bits, grey ↔ RGB by luma.

    Grey of 16 bits is divided by 257. Grey of 32 bits (integers or floats, as TIFF has them)
    declares no white, so white is the smallest of 1 (floats alone), 255, 65535 and its own maximum
    that holds the image; what is negative or no number is black.
    """
    if image.mode.startswith("I;16"):
        image = _convert_16_bit(image)
    elif image.mode in {"I", "F"}:
        image = Image.fromarray(_scale_to_8_bit(np.asarray(image)))
    if image.has_transparency_data:
        image = _flatten_alpha(image)
    if image.mode == mode:
        return image
    if image.mode not in {"1", "L", "P", "RGB"}:
        image = image.convert("RGB")  # Pillow has no way from CMYK, YCbCr, LAB and HSV to L
    return image.convert(mode)


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C), C-contiguous, read-only, of an image in mode L or RGB."""
    array_HW_or_HWC: NDArray[np.uint8] = np.asarray(image)
    return array_HW_or_HWC.reshape(image.height, image.width, -1)


def _flatten_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")  # the one way out of La that Pillow has
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _convert_16_bit(image: Image.Image) -> Image.Image:
    source_HW: NDArray[np.uint16] = np.asarray(image)
    grey_HW = np.take(_UINT16_TO_UINT8, source_HW)
    transparent = image.info.get("transparency")  # PNG: one value that stands for no pixel
    if isinstance(transparent, int):
        grey_HW[source_HW == transparent] = 255
    return Image.fromarray(grey_HW)


def _scale_to_8_bit(source_HW: NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.uint8]:
    finite_HW = np.nan_to_num(source_HW.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(finite_HW.max())
    points = (1.0, *_WHITE_POINTS) if source_HW.dtype.kind == "f" else _WHITE_POINTS
    white = next((point for point in points if peak <= point), peak)
    np.clip(finite_HW, 0.0, white, out=finite_HW)
    finite_HW *= 255.0 / white
    return np.rint(finite_HW, out=finite_HW).astype(np.uint8)
