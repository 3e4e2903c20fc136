"""Read image files of any kind as arrays of one size and mode, as the service decodes them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from models_store.images.camera_raw import find_camera_raw
from models_store.images.decoding import decode_upright
from models_store.images.heif import (
    AVIF_SIGNATURE,
    HEIF_SIGNATURE,
    MISSING_HEIF_READER,
    find_heif_reader,
)

ColorMode = Literal["RGB", "L"]
ResizeMode = Literal["stretch", "crop", "pad"]
"""Resize modes of `models_store.tasks.FixedImage`, which a service applies in the same way."""

_DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""Errors of Pillow for files that it cannot decode: a broken PNG is a SyntaxError."""


_ResizeFunction = Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]
_RESIZE_FUNCTIONS: dict[ResizeMode, _ResizeFunction] = {
    "crop": ImageOps.fit,
    "pad": ImageOps.pad,
    "stretch": Image.Image.resize,
}


def read_resized_image(
    path: Path, size_HW: tuple[int, int], mode: ColorMode, resize: ResizeMode = "crop"
) -> Tensor:
    """Return uint8 (C, H, W): turned upright, composed on white, resized to `size_HW`.

    `crop` scales the image to cover the size and crops to its centre; `pad` scales it to fit and
    adds black borders; `stretch` ignores proportions.

    Raises:
        ValueError: the file cannot be decoded.
    """
    height, width = size_HW
    flat = _decode(path, max(size_HW), mode)
    fitted = _RESIZE_FUNCTIONS[resize](flat, (width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(fitted))
    return pixels[None] if mode == "L" else pixels.permute(2, 0, 1).contiguous()


def read_downscaled_image(path: Path, longest_side: int | None = None) -> Tensor:
    """Return uint8 (3, H, W): upright, on white, its longer side at most `longest_side`.

    Raises:
        ValueError: the file cannot be decoded.
    """
    flat = _decode(path, longest_side, "RGB")
    if longest_side is not None:
        flat.thumbnail((longest_side, longest_side), Image.Resampling.BICUBIC)  # never enlarges
    return torch.from_numpy(np.array(flat)).permute(2, 0, 1).contiguous()


def _decode(path: Path, side: int | None, mode: ColorMode) -> Image.Image:
    """Return an image to be resized to `side`, decoded as the service decodes it."""
    try:
        data = path.read_bytes()
        image = _open(data)
        # Other formats' drafts are embedded thumbnails.
        if side is not None and isinstance(image, JpegImageFile):
            # Decode a JPEG at the smallest scale that is at least twice as large as needed, so that
            # the resize still averages over real pixels.
            image.draft(None, (2 * side, 2 * side))
        return decode_upright(image, data, mode)
    except _DECODE_ERRORS as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _open(data: bytes) -> ImageFile:
    if raw := find_camera_raw(data):
        raise ValueError(f"a camera's raw file ({raw}) has to be developed; export it as JPEG")
    if HEIF_SIGNATURE.match(data) and not AVIF_SIGNATURE.match(data):
        reader = find_heif_reader()
        if reader is None:
            raise ValueError(MISSING_HEIF_READER)
        return reader(BytesIO(data))
    return Image.open(BytesIO(data))
