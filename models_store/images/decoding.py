"""The decoder of training and the service: a network sees the same pixels in both.

Rotation and mirroring of an AVIF (irot, imir) are applied, and the clean aperture (clap) is not:
libavif and Pillow return the whole image, and Chromium crops it only at the origin.
"""

from PIL import Image
from PIL.ImageFile import ImageFile

from models_store.images.color_modes import convert_mode
from models_store.images.color_profiles import find_srgb_conversion
from models_store.images.orientation import find_transpose
from models_store.images.png_transparency import apply_transparent_color
from models_store.tasks import ColorMode


def decode_upright(file: ImageFile, data: bytes, mode: ColorMode) -> Image.Image:
    """Decode `file`, opened from `data`: upright, in sRGB or grey of 8 bits, alpha over white.

    Raises:
        Exception: whatever Pillow's reader raises for damaged data.
    """
    image = apply_transparent_color(file, data)
    image.load()
    transpose = find_transpose(image)
    conversion = find_srgb_conversion(image)
    if conversion is None:
        converted = convert_mode(image, mode)
    else:
        converted = convert_mode(conversion.apply(convert_mode(image, conversion.input_mode)), mode)
    return converted if transpose is None else converted.transpose(transpose)
