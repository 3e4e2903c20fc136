"""Read an image file of any kind as an array of fixed size and mode."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

__all__ = ["ColorMode", "ResizeMode", "read_downscaled_image", "read_resized_image"]

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
    """Return an image to be resized to `side`, turned upright and composed on white."""
    try:
        with Image.open(path) as image:
            if side is not None:
                # Decode a JPEG at the smallest scale that is at least twice as large as needed, so
                # that the resize still averages over real pixels.
                image.draft(mode, (2 * side, 2 * side))
            return _to_opaque(ImageOps.exif_transpose(image), mode)
    except _DECODE_ERRORS as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _to_opaque(image: Image.Image, mode: ColorMode) -> Image.Image:
    """Return `image` in `mode`, 8 bits a channel, with white where it is transparent."""
    if image.mode == "F":
        raise ValueError("floating-point pixels are not supported")
    if image.mode.startswith("I"):
        # 16 bits of grey: Pillow's own conversion clips them at 255 instead of scaling.
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert(mode)
