"""Conversion of decoded images to sRGB by their embedded ICC profiles.

Models are trained on sRGB values. Files from phones and editors often carry other profiles (Display
P3, Adobe RGB, CMYK), whose values would otherwise be read as sRGB and appear dull or wrong.
PNG's gAMA and cHRM chunks are ignored, as most decoders do.
"""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

__all__ = ["SrgbConversion", "find_srgb_conversion"]

_INPUT_MODES: dict[str, Literal["L", "RGB", "CMYK"]] = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_COMPATIBLE_MODES = {
    "RGB": {"RGB", "RGBA", "RGBX", "RGBa", "P", "PA"},
    "CMYK": {"CMYK"},
    "L": {"L", "LA", "La", "1"},
}
_IDENTITY_TOLERANCE = 1
"""Levels of 255. Variants of the sRGB profile differ by no more, and need no conversion."""


@dataclass(frozen=True)
class SrgbConversion:
    """A transform from a profile's colours to sRGB."""

    input_mode: Literal["L", "RGB", "CMYK"]
    """Pillow mode that `apply` takes: RGB, CMYK or L."""
    transform: ImageCms.ImageCmsTransform

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image in RGB; `image` must have `input_mode`."""
        converted = ImageCms.applyTransform(image, self.transform)
        if converted is None:
            raise RuntimeError("an in-place transform returns no image")
        return converted


def find_srgb_conversion(image: Image.Image) -> SrgbConversion | None:
    """Return the conversion that `image` needs; None without a usable profile or with sRGB's own.

    A damaged profile, or one for another colour space than the image's, is ignored.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    conversion = _load_conversion(profile)
    if conversion is None or image.mode not in _COMPATIBLE_MODES[conversion.input_mode]:
        return None
    return conversion


@lru_cache(maxsize=16)
def _load_conversion(profile: bytes) -> SrgbConversion | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        input_mode = _INPUT_MODES.get(source.profile.xcolor_space)
        if input_mode is None:
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            input_mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # Without the one-pixel cache, threads can share the transform.
            ImageCms.Flags.NOCACHE | ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    conversion = SrgbConversion(input_mode, transform)
    return None if _is_identity(conversion) else conversion


def _is_identity(conversion: SrgbConversion) -> bool:
    if conversion.input_mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid_N3 = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if conversion.input_mode == "L":
        grid_N3 = np.repeat(levels[None, :, None], 3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(grid_N3)).convert(conversion.input_mode)
    converted = np.asarray(conversion.apply(image)).astype(np.int16)
    return bool(np.abs(converted - grid_N3).max() <= _IDENTITY_TOLERANCE)
