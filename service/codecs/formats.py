"""Which picture formats are accepted, and how a file is opened without trusting it.

Bytes choose their reader by signature, from the short list `FORMATS`. The reader is Pillow's class
for that format, called directly: `Image.open(formats=…)` would compare the size with Pillow's
global `MAX_IMAGE_PIXELS`, and warn or raise, before its caller could read the size.

Left out although Pillow could: Netpbm, whose readers are partly loops in Python (seconds for a body
of some megabytes), BigTIFF, and whatever else a stranger's file could be steered to.
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

from service.codecs import decompression_bombs, image_headers
from service.errors import Invalid, ServiceError, TooLarge, Unsupported

__all__ = ["FORMATS", "Format", "Limits", "check_size", "damage_is_invalid", "open_header"]

_PILLOWS_OWN_LIMIT = 89_478_485
"""Above this, readers of single formats warn of a bomb while they load, whoever called them."""
_MAX_SIDE = 65_535
"""What JPEG can hold. Also keeps tables that grow with one side, rows or filter taps, small."""


@dataclass(frozen=True)
class Limits:
    """What a picture may cost."""

    max_pixels: int
    """Width × height of the file, before any resizing; 1 to 89,478,485. Decoding one costs
    at most 24 bytes beside the file (measured: JPEG 10, GIF 11, PNG 14, AVIF 18, float TIFF and
    WebP with alpha 23), so 50 Mpx cost 1.2 GB."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_pixels <= _PILLOWS_OWN_LIMIT:
            raise ValueError(f"max_pixels is {self.max_pixels}, not in 1 to {_PILLOWS_OWN_LIMIT}")


@dataclass(frozen=True)
class Format:
    """A kind of picture file: its name, its signature, and Pillow's reader of it."""

    name: str
    signature: re.Pattern[bytes]
    reader: Callable[[BytesIO], ImageFile]
    early_size: Callable[[bytes], tuple[int, int] | None] = image_headers.unknown_size
    """Size, for a format whose reader may allocate or unpack before it tells the size."""
    excess: Callable[[bytes], str] = decompression_bombs.nothing
    """What there is far too much of, before the reader goes through it."""


FORMATS = (
    Format(
        "JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile, excess=decompression_bombs.jpeg_excess
    ),
    Format(
        "PNG",
        re.compile(rb"\x89PNG\r\n\x1a\n"),
        PngImageFile,
        image_headers.png_size,
        decompression_bombs.png_excess,
    ),
    Format("WebP", re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile, image_headers.webp_size),
    Format(
        "GIF",
        re.compile(rb"GIF8[79]a"),
        GifImageFile,
        image_headers.gif_size,
        decompression_bombs.gif_excess,
    ),
    Format("BMP", re.compile(rb"BM"), BmpImageFile),
    Format(
        "TIFF", re.compile(rb"II\*\0|MM\0\*"), TiffImageFile, excess=decompression_bombs.tiff_excess
    ),
    *(
        [Format("AVIF", re.compile(rb"....ftypavi[fs]", re.DOTALL), AvifImageFile)]
        if features.check("avif")
        else []
    ),
)


def open_header(data: bytes, limits: Limits) -> tuple[ImageFile, Format]:
    """The picture with size and mode known, and no pixel decoded.

    Raises:
        Invalid: the body is empty, or the header is damaged.
        Unsupported: this is no picture, or of a format that is not accepted.
        TooLarge: the picture has more pixels than `limits` allow.

    """
    accepted = ", ".join(known.name for known in FORMATS)
    if not data:
        raise Invalid(f"empty body: no picture came; accepted: {accepted}")
    known = next((known for known in FORMATS if known.signature.match(data)), None)
    if known is None:
        raise Unsupported(
            f"not a picture that can be read; came: {image_headers.describe(data)}, "
            f"{len(data)} bytes; accepted: {accepted}"
        )
    with damage_is_invalid(known):
        if excess := known.excess(data):
            raise Invalid(f"damaged {known.name} picture: {excess}")
        if size := known.early_size(data):
            check_size(f"{known.name} picture", size, limits)
        image = known.reader(BytesIO(data))
        check_size(f"{known.name} picture", image.size, limits)
        _check_decoding(image, limits)
    return image, known


@contextmanager
def damage_is_invalid(known: Format) -> Iterator[None]:
    """Pillow's many ways to say that a file is damaged, as one `Invalid` that names the format."""
    try:
        yield
    except ServiceError:
        raise
    # Readers raise whatever a parser can run into: OSError, SyntaxError, ValueError, struct.error,
    # EOFError, KeyError, OverflowError, ZeroDivisionError, MemoryError, …; no list stays complete.
    except Exception as error:
        raise Invalid(f"damaged {known.name} picture: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, EOFError) or re.search("truncated|requires a buffer", text.lower()):
        return "the file ends too early"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if "not identified by this driver" in text:  # also what Pillow says of a width of zero
        return "the header makes no sense (such as a width or height of zero)"
    if not re.search("[a-z]{3}", text):  # a KeyError says nothing but its key
        return "a field has a value that means nothing"
    # A message never quotes the payload, so bytes and objects that Pillow names are cut out.
    return re.sub(r"b?(['\"]).*\1|<.*>|[^ -~]", "…", text)[:120]


def check_size(what: str, size: tuple[int, int], limits: Limits) -> None:
    """Raises TooLarge: the picture that `what` holds is larger than may be decoded."""
    width, height = size
    came = f"{what} of {width} × {height} pixels"
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"{came} is over the limit of {limits.max_pixels} pixels", max_pixels=limits.max_pixels
        )
    if max(size) > _MAX_SIDE:
        raise TooLarge(f"{came} is over the limit of {_MAX_SIDE} pixels a side", max_side=_MAX_SIDE)


def _check_decoding(image: ImageFile, limits: Limits) -> None:
    """Refuse what the reader would decode, but at a price beyond that of the pixels."""
    if isinstance(image, TiffImageFile):
        tile_width, tile_height = image.tag_v2.get(322, 1), image.tag_v2.get(323, 1)
        if tile_width * tile_height > limits.max_pixels:
            raise TooLarge(
                f"TIFF picture with tiles of {tile_width} × {tile_height} pixels is over the limit "
                f"of {limits.max_pixels} pixels"
            )
    elif any(tile.codec_name == "bmp_rle" for tile in image.tile):
        # Pillow's reader is a loop in Python, some seconds for a body of a few megabytes.
        raise Unsupported("run-length coded BMP is not accepted; plain BMP is")
