"""Orientation of an image: the operation that turns it upright."""

import re
from collections.abc import Mapping

from PIL import Image

from models_store.images.heif import HEIF_FORMAT
from models_store.images.tiff import LONG, SHORT, read_ifd

_EXIF_HEADER = b"Exif\0\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
AXIS_SWAPPING_TRANSPOSES = {_TRANSPOSES[orientation] for orientation in (5, 6, 7, 8)}


def find_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the operation that turns `image` upright; None if it is. Load a PNG first."""
    # Pillow rotates a TIFF while it loads it, and keeps the orientation in another place. A HEIC
    # arrives upright, and its EXIF and XMP orientations do not count (ISO 23008-12).
    if image.format == HEIF_FORMAT:
        return None
    return _TRANSPOSES.get(find_orientation(image.info))


def find_orientation(info: Mapping[str | tuple[int, int], object]) -> int:
    """Return the orientation, 1 to 8 (EXIF 2.32, 4.6.4A), from an image's `info`; 1 by default.

    Looks where `PIL.ImageOps.exif_transpose` looks: the EXIF block, ImageMagick's text chunk of
    PNG, and XMP. Pillow's own EXIF reader copies every value of the block.
    """
    exif = info.get("exif")
    if exif is None:
        exif = _decode_exif_text(info.get("Raw profile type exif"))
    orientation = _exif_orientation(exif) if isinstance(exif, bytes) else None
    if orientation is None:
        orientation = _xmp_orientation(info.get("xmp") or info.get("XML:com.adobe.xmp"))
    return orientation if orientation is not None and 1 <= orientation <= 8 else 1


def _exif_orientation(exif: bytes) -> int | None:
    while exif.startswith(_EXIF_HEADER):  # some editors write the header twice
        exif = exif[len(_EXIF_HEADER) :]
    for field in read_ifd(exif):
        if field.tag == 0x0112 and field.kind in (SHORT, LONG):
            return field.value
    return None


def _decode_exif_text(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None


def _xmp_orientation(xmp: object) -> int | None:
    if isinstance(xmp, str):
        xmp = xmp.encode("utf-8", "replace")
    match = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
    return int(match[1]) if match else None
