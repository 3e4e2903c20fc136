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

_INPUT_MODES: dict[str, Literal["L", "RGB", "CMYK"]] = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_COMPATIBLE_MODES = {
    "RGB": {"RGB", "RGBA", "RGBX", "RGBa", "P", "PA"},
    "CMYK": {"CMYK"},
    "L": {"L", "LA", "La", "1"},
}
_IDENTITY_TOLERANCE = 1
"""Levels of 255. Variants of the sRGB profile differ by no more, and need no conversion."""


_MAX_PROFILE_BYTES = 4 << 20
"""Larger profiles are ignored. Those of printing presses, the largest in use, have 2 to 3 MB."""
_TAG_COUNT_OFFSET, _TAG_TABLE_OFFSET, _MAX_TAGS = 128, 132, 100
"""ICC.1:2010, section 7.3; littlecms rejects more tags."""


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

    A damaged or huge profile, or one for another colour space than the image's, is ignored.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE_BYTES:
        return None
    conversion = _load_conversion(profile)
    if conversion is None or image.mode not in _COMPATIBLE_MODES[conversion.input_mode]:
        return None
    return conversion


@lru_cache(maxsize=16)
def _load_conversion(profile: bytes) -> SrgbConversion | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(_drop_multi_process_elements(profile)))
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


def _drop_multi_process_elements(profile: bytes) -> bytes:
    """Rename the tags D2B0 to D2B3 (ICC.1:2010, section 9.2), so that no decoder uses them.

    Each may hold a million processing steps in 8 bytes a step, and every profile has other tags for
    decoders without them.
    """
    count = min(int.from_bytes(profile[_TAG_COUNT_OFFSET:_TAG_TABLE_OFFSET], "big"), _MAX_TAGS)
    renamed = bytearray(profile)
    for offset in range(_TAG_TABLE_OFFSET, _TAG_TABLE_OFFSET + 12 * count, 12):
        if renamed[offset : offset + 3] == b"D2B":
            renamed[offset : offset + 3] = b"xxx"
    return bytes(renamed)


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
