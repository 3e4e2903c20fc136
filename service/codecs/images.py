"""Decode image files to uint8 arrays, and encode arrays as PNG.

Shapes: H height, W width, C channels (1 for mode L, 3 for RGB). Of a file with several frames or
pages (GIF, APNG, WebP, AVIF, HEIC, TIFF), the first is decoded; of HEIC, the primary image. EXIF
orientation is applied, and alpha is laid over white. No global state of Pillow is read or changed.
"""

from io import BytesIO
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from models_store.images.color_modes import convert_mode, to_array
from models_store.images.color_profiles import find_srgb_conversion
from models_store.images.decoding import decode_upright
from models_store.images.orientation import AXIS_SWAPPING_TRANSPOSES, find_transpose
from models_store.images.png_transparency import apply_transparent_color
from models_store.tasks import ColorMode, FixedImage
from service.codecs.formats import decode_errors_as_invalid, open_header
from service.observability.timing import timed

# Measured with Pillow 13 on 2 shared cores (medians; dB against a full decode and one antialiased
# bicubic resize), photographs to 32 × 32 and 224 × 224:
#   JPEG of 12 Mpx: full decode 143 and 155 ms; scaled in the decoder 22 and 30 ms, 58 and 55 dB.
#   JPEG of 640 × 427 to 32 × 32: full decode 2.7 ms; scaled down to no less than 1×, 2×, 3×, 4× the
#   target 0.9, 1.1, 1.0, 1.4 ms, 44.6, 49.4, 52.7, 54.7 dB: 3 is where quality is still free.
#   PNG of 12 Mpx, the resize alone: 55 and 61 ms; with reducing_gap 2: 12 and 11 ms, 45 and 50 dB;
#   3: 16 and 17 ms, 51 and 55 dB; 4: 10 and 22 ms, 52 and 56 dB.
#   JPEG of 768 × 512 to 224 × 224: full decode 5.2 ms; scaled to no less than 1× the target 3.1 ms,
#   33 to 35 dB. As the ant and bee classifier sees it (198 photographs at that ratio): the same
#   labels, 99.5 % right either way, NLL 0.076 and 0.080; with a bilinear filter it is 0.079.
# Lanczos is 0 to 45 % slower than bicubic, and no closer to its own full decode.
_RESIZE_FILTER = Image.Resampling.BICUBIC
_MIN_DECODE_SCALE = 3
_LARGE_TARGET, _MIN_DECODE_SCALE_LARGE = 128, 1
"""Target side, in pixels, from which a full decode costs half as much as the network."""
_REDUCING_GAP = 4.0

# Measured on a photograph of 640 × 427: level 1 takes 22 ms for 516 kB, 3 takes 25 ms for 504 kB,
# 6 takes 43 ms for 491 kB, 9 takes 188 ms for 486 kB. Noise and 28 × 28 digits: 1 to 2 % between
# levels 1 and 9. Half the time of the usual 6 is worth 5 % of the bytes.
_PNG_COMPRESS_LEVEL = 1


def read_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height by the file's header, as stored: orientation may swap them.

    Raises as `decode_native`, but for damage behind the header.
    """
    file, _ = open_header(data, max_pixels)
    return file.size


@timed("decode")
def decode_native(data: bytes, mode: ColorMode, max_pixels: int) -> NDArray[np.uint8]:
    """Return the image at its own size, (H, W, C).

    Raises:
        InvalidValue: the body is empty or damaged.
        UnsupportedMediaType: it is no image, or of a format that is not accepted.
        ContentTooLarge: it has more pixels than `max_pixels`; decided by its header.
    """
    file, format_ = open_header(data, max_pixels)
    with decode_errors_as_invalid(format_):
        return to_array(decode_upright(file, data, mode))


@timed("decode")
def decode_resized(data: bytes, spec: FixedImage, max_pixels: int) -> NDArray[np.uint8]:
    """Return the image resized to (spec.height, spec.width, C) by the rule `spec.resize`.

    An image that has this size already keeps its pixels. Raises as `decode_native`.
    """
    file, format_ = open_header(data, max_pixels)
    with decode_errors_as_invalid(format_):
        return to_array(_resize_to_spec(apply_transparent_color(file, data), spec))


@timed("encode")
def encode_png(image_HWC: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W, 1) or (H, W, 3) as PNG; equal images give equal bytes."""
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] not in {1, 3}:
        raise ValueError(f"not (H, W, 1 or 3) uint8: {image_HWC.shape} {image_HWC.dtype}")
    is_grayscale = image_HWC.shape[2] == 1
    file = BytesIO()
    image = Image.fromarray(image_HWC[..., 0] if is_grayscale else image_HWC)
    image.save(file, "PNG", compress_level=_PNG_COMPRESS_LEVEL)
    return file.getvalue()


def _resize_to_spec(image: Image.Image, spec: FixedImage) -> Image.Image:
    # A JPEG has its orientation before its pixels, and only it is decoded at a reduced size. In a
    # PNG, the orientation may follow the pixels.
    if not isinstance(image, JpegImageFile):
        image.load()
    transpose = find_transpose(image)
    target = (
        (spec.height, spec.width)
        if transpose in AXIS_SWAPPING_TRANSPOSES
        else (spec.width, spec.height)
    )
    box, size = _plan_resize(image.size, target, spec.resize)

    shrink = _draft_jpeg(image, box, size)
    box = (box[0] / shrink, box[1] / shrink, box[2] / shrink, box[3] / shrink)
    conversion = find_srgb_conversion(image)
    fitted = convert_mode(image, spec.mode if conversion is None else conversion.input_mode)
    if fitted.size != size or box != (0, 0, *size):
        fitted = fitted.resize(size, _RESIZE_FILTER, box, _REDUCING_GAP)
    if conversion is not None:  # converted after resizing, when fewer pixels are left
        fitted = convert_mode(conversion.apply(fitted), spec.mode)
    if transpose is not None:  # here the fewest pixels are left to turn
        fitted = fitted.transpose(transpose)
    if fitted.size != (spec.width, spec.height):
        canvas = Image.new(spec.mode, (spec.width, spec.height))
        left, top = (spec.width - fitted.width) / 2, (spec.height - fitted.height) / 2
        canvas.paste(fitted, (round(left), round(top)))
        return canvas
    return fitted


def _plan_resize(
    source_size: tuple[int, int], target: tuple[int, int], rule: Literal["stretch", "crop", "pad"]
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Return the box of the image that is used (left, top, right, bottom), and its new size."""
    width, height = source_size
    scale_x, scale_y = width / target[0], height / target[1]
    if rule == "pad":
        scale = max(scale_x, scale_y)
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
        return (0, 0, width, height), size
    if rule == "stretch":
        return (0, 0, width, height), target
    scale = min(scale_x, scale_y)
    used_width, used_height = target[0] * scale, target[1] * scale
    # Rounding must not move the box over an edge, which Pillow rejects.
    left, top = max(0.0, (width - used_width) / 2), max(0.0, (height - used_height) / 2)
    if scale == 1:  # nothing is scaled, so half a pixel must not blur it
        left, top = int(left), int(top)
    right, bottom = min(width, left + used_width), min(height, top + used_height)
    return (left, top, right, bottom), target


def _draft_jpeg(
    image: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]
) -> int:
    """Let the JPEG decoder give 1/1, 1/2, 1/4 or 1/8 of the size; return the divisor."""
    # Other formats' drafts are embedded thumbnails, which may show something else.
    if not isinstance(image, JpegImageFile):
        return 1
    scale_x, scale_y = (box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]
    large = min(size) >= _LARGE_TARGET
    min_scale = _MIN_DECODE_SCALE_LARGE if large else _MIN_DECODE_SCALE
    requested_size = (
        ceil(image.width / scale_x * min_scale),
        ceil(image.height / scale_y * min_scale),
    )
    original_width = image.width
    draft = image.draft(None, requested_size)
    # The reduced image is rounded up to whole pixels; the box that is returned is not.
    return round(original_width / draft[1][2]) if draft else 1
