"""Accepted image formats, and safe opening of untrusted files.

The signature selects the reader from `FORMATS`. Pillow's class for the format is called directly,
because `Image.open(formats=…)` compares the size with Pillow's global `MAX_IMAGE_PIXELS`, and warns
or raises before the caller can read it.

Pillow reads more formats. Netpbm is excluded because its readers partly loop in Python (seconds for
a few megabytes), BigTIFF and others because each reader is attack surface. HEIC and HEIF need
pillow-heif.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from models_store.images.camera_raw import find_camera_raw
from models_store.images.heif import (
    AVIF_SIGNATURE,
    HEIF_SIGNATURE,
    MISSING_HEIF_READER,
    find_heif_reader,
)
from service.codecs import avif_headers, decompression_bombs, heic_headers, image_headers
from service.errors import ContentTooLarge, InvalidValue, ServiceError, UnsupportedMediaType

_MAX_SIDE = 65_535
"""JPEG's largest side. Also bounds tables that grow with one side: rows and filter taps."""


@dataclass(frozen=True)
class ImageFormat:
    """An image format: its name, its signature, and Pillow's reader."""

    name: str
    signature: re.Pattern[bytes]
    reader: Callable[[BytesIO], ImageFile]
    peek_size: Callable[[bytes], tuple[int, int] | None] | None = None
    """Size, for a format whose reader may allocate or unpack before it knows the size."""
    find_bomb: Callable[[bytes], str] | None = None
    """Returns a problem if the file would cost far more than its bytes, else an empty string."""


def _heic(reader: Callable[[BytesIO], ImageFile]) -> ImageFormat:
    return ImageFormat(
        "HEIC", HEIF_SIGNATURE, reader, heic_headers.peek_heic_size, heic_headers.find_heic_bomb
    )


_AVIF = ImageFormat(
    "AVIF", AVIF_SIGNATURE, AvifImageFile, avif_headers.peek_avif_size, avif_headers.find_avif_bomb
)
FORMATS = (
    ImageFormat(
        "JPEG",
        re.compile(rb"\xff\xd8\xff"),
        JpegImageFile,
        find_bomb=decompression_bombs.find_jpeg_bomb,
    ),
    ImageFormat(
        "PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile, image_headers.peek_png_size
    ),
    ImageFormat(
        "WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile, image_headers.peek_webp_size
    ),
    ImageFormat(
        "GIF",
        re.compile(rb"GIF8[79]a"),
        GifImageFile,
        image_headers.peek_gif_size,
        decompression_bombs.find_gif_bomb,
    ),
    ImageFormat("BMP", re.compile(rb"BM"), BmpImageFile),
    ImageFormat(
        "TIFF",
        re.compile(rb"II\*\0|MM\0\*"),
        TiffImageFile,
        find_bomb=decompression_bombs.find_tiff_bomb,
    ),
    *([_AVIF] if features.check("avif") else []),
    *([_heic(reader)] if (reader := find_heif_reader()) else []),
)
"""Tried in this order; a file of both AVIF and HEIF brands is AVIF."""


def open_header(data: bytes, max_pixels: int) -> tuple[ImageFile, ImageFormat]:
    """Return the image with size and mode known, and no pixel decoded.

    Raises:
        InvalidValue: the body is empty, or the header is damaged.
        UnsupportedMediaType: this is no image, or of a format that is not accepted.
        ContentTooLarge: the image has more pixels than `max_pixels`.
    """
    format_ = _detect_format(data)
    with decode_errors_as_invalid(format_):
        if format_.find_bomb and (excess := format_.find_bomb(data)):
            raise InvalidValue(f"damaged {format_.name} image: {excess}")
        if format_.peek_size and (size := format_.peek_size(data)):
            check_pixel_limits(f"{format_.name} image", size, max_pixels)
        image = format_.reader(decompression_bombs.open_bounded(data))
        check_pixel_limits(f"{format_.name} image", image.size, max_pixels)
        _reject_costly_decoding(image, max_pixels)
    return image, format_


def _detect_format(data: bytes) -> ImageFormat:
    accepted = ", ".join(format_.name for format_ in FORMATS)
    if not data:
        raise InvalidValue(f"empty body: no image was sent; accepted: {accepted}")
    format_ = next((format_ for format_ in FORMATS if format_.signature.match(data)), None)
    if (format_ is None or format_.name == "TIFF") and (raw := find_camera_raw(data)):
        raise UnsupportedMediaType(
            f"a camera's raw file ({raw}) is not accepted, because its pixels have to be developed "
            f"first; export it as JPEG, PNG or TIFF; accepted: {accepted}"
        )
    if format_ is None:
        kind = image_headers.sniff_kind(data)
        hint = f"{MISSING_HEIF_READER}; " if kind == "HEIC" else ""
        raise UnsupportedMediaType(
            f"not an image that can be read; {hint}received: {kind}, {len(data)} bytes; "
            f"accepted: {accepted}"
        )
    return format_


@contextmanager
def decode_errors_as_invalid(format_: ImageFormat) -> Iterator[None]:
    """Turn Pillow's various errors for damaged files into one `InvalidValue`."""
    try:
        yield
    except ServiceError:
        raise
    # Readers raise whatever a parser can run into: OSError, SyntaxError, ValueError, struct.error,
    # EOFError, KeyError, OverflowError, ZeroDivisionError, MemoryError, …; no list stays complete.
    except Exception as error:
        raise InvalidValue(f"damaged {format_.name} image: {_clean_message(error)}") from error


_CUT_OFF = re.compile("truncated|requires a buffer|end of file|file size|read full", re.IGNORECASE)


def _clean_message(error: Exception) -> str:
    text = str(error)
    if isinstance(error, EOFError) or _CUT_OFF.search(text):
        return "the file ends too early"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if "not identified by this driver" in text:  # also what Pillow says of a width of zero
        return "the header makes no sense (such as a width or height of zero)"
    if not re.search("[a-z]{3}", text):  # a KeyError says nothing but its key
        return "a field has a value that means nothing"
    # A message never quotes the payload, so bytes and objects that Pillow names are cut out.
    return re.sub(r"b?(['\"]).*\1|<.*>|[^ -~]", "…", text)[:120]


def check_pixel_limits(subject: str, size: tuple[int, int], max_pixels: int) -> None:
    """Raise ContentTooLarge if `subject` has more pixels, or a longer side, than is decoded."""
    width, height = size
    description = f"{subject} of {width} × {height} pixels"
    if width * height > max_pixels:
        raise ContentTooLarge(
            f"{description} is over the limit of {max_pixels} pixels", max_pixels=max_pixels
        )
    if max(size) > _MAX_SIDE:
        raise ContentTooLarge(
            f"{description} is over the limit of {_MAX_SIDE} pixels a side", max_side=_MAX_SIDE
        )


def _reject_costly_decoding(image: ImageFile, max_pixels: int) -> None:
    """Reject files that the reader would decode at a cost far beyond that of their pixels."""
    if isinstance(image, TiffImageFile):
        tile_width, tile_height = image.tag_v2.get(322, 1), image.tag_v2.get(323, 1)
        if tile_width * tile_height > max_pixels:
            raise ContentTooLarge(
                f"TIFF image with tiles of {tile_width} × {tile_height} pixels is over the limit "
                f"of {max_pixels} pixels"
            )
    elif any(tile.codec_name == "bmp_rle" for tile in image.tile):
        # Pillow's reader is a loop in Python, some seconds for a body of a few megabytes.
        raise UnsupportedMediaType("run-length coded BMP is not accepted; plain BMP is")
