"""HEIC and HEIF, which phones write, by pillow-heif (the extra `heif`).

libheif applies the orientation of the container, and pillow-heif drops EXIF's, as ISO 23008-12
demands. It rejects coded pictures that are larger than the container says.
"""

import re
from collections.abc import Callable
from functools import cache
from io import BytesIO

from PIL.ImageFile import ImageFile

# The brand of some files names the container alone; the codec is among the compatible brands.
_GENERIC_BRANDS = rb"(?:mif1|msf1)"
AVIF_SIGNATURE = re.compile(
    rb"....ftyp(?:avi[fs]|" + _GENERIC_BRANDS + rb".{4}(?:.{4}){0,16}?avi[fs])", re.DOTALL
)
HEIF_SIGNATURE = re.compile(
    rb"....ftyp(?:hei[cxms]|hev[cxms]|" + _GENERIC_BRANDS + rb")", re.DOTALL
)
HEIF_FORMAT = "HEIF"
"""`Image.format` of these files."""
MISSING_HEIF_READER = "HEIC needs pillow-heif: pip install 'deepshelf[heif]'"


@cache
def find_heif_reader() -> Callable[[BytesIO], ImageFile] | None:
    """Return Pillow's class for HEIF files, or None where pillow-heif is not installed."""
    try:
        from pillow_heif import options
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError:
        return None
    # Embedded thumbnails and depth maps may show something else than the image, and are not needed.
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    options.DECODE_THREADS = 1  # the service runs one thread per core
    return HeifImageFile
