"""The transparent colour of a PNG (chunk tRNS) at bit depths where Pillow compares other numbers.

The chunk holds samples as they are in the file (PNG third edition, section 11.3.1.1). Pillow
compares them with pixels that it has scaled to 8 bits.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

_SCALE_TO_8_BITS = {"L;2": 85, "L;4": 17}
"""Pillow's raw modes of grey with 2 and 4 bits."""


def apply_transparent_color(image: ImageFile, data: bytes) -> Image.Image:
    """Return `image`, opened from `data` and not loaded, with a transparent colour that is right.

    A 16-bit RGB PNG comes back decoded, as RGBA; everything else as it was.
    """
    transparency = image.info.get("transparency")
    if not isinstance(image, PngImageFile) or transparency is None or not image.tile:
        return image
    raw_mode = image.tile[0].args
    if isinstance(transparency, int) and raw_mode in _SCALE_TO_8_BITS:
        image.info["transparency"] = transparency * _SCALE_TO_8_BITS[raw_mode]
    elif raw_mode == "RGB;16B":
        return _decode_rgb_16(image, data, transparency)
    return image


def _decode_rgb_16(
    image: PngImageFile, data: bytes, transparent: tuple[int, int, int]
) -> Image.Image:
    # Pillow keeps the upper byte of each sample. In the other byte order, that is the lower one.
    lower = PngImageFile(BytesIO(data))
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
    color = np.array(transparent, ">u2").view(np.uint8).reshape(3, 2)
    keyed_HW = (np.asarray(image) == color[:, 0]).all(axis=2)
    keyed_HW &= (np.asarray(lower) == color[:, 1]).all(axis=2)
    info = {key: value for key, value in image.info.items() if key != "transparency"}
    opaque = image.convert("RGB") if image.mode != "RGB" else image.copy()
    opaque.info = info
    opaque.putalpha(Image.fromarray(np.where(keyed_HW, np.uint8(0), np.uint8(255))))
    return opaque
