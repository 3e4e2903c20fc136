"""One image file of a user's own, whatever it is, as one array of fixed size and mode."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

__all__ = [
    "EXTENSIONS",
    "ColorMode",
    "ResizeMode",
    "list_image_files",
    "read_downscaled_image",
    "read_resized_image",
]

ColorMode = Literal["RGB", "L"]
ResizeMode = Literal["stretch", "crop", "pad"]
"""As in `models_store.tasks.FixedImage`, whose rule a service follows."""

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What is taken for an image; anything else in a folder is left alone."""

_DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""What Pillow raises for files that it cannot decode: a broken PNG is a SyntaxError."""


_ResizeFunction = Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]
_RESIZE_FUNCTIONS: dict[ResizeMode, _ResizeFunction] = {
    "crop": ImageOps.fit,
    "pad": ImageOps.pad,
    "stretch": Image.Image.resize,
}


def list_image_files(folder: Path) -> list[Path]:
    """The images that lie in `folder` itself, by name; hidden files are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def read_resized_image(
    path: Path, size_HW: tuple[int, int], mode: ColorMode, resize: ResizeMode = "crop"
) -> Tensor:
    """uint8 (C, H, W): turned upright, on white, brought to `size_HW`.

    By `crop`, scaled to cover it and its centre cut out; by `pad`, scaled to fit, black around; by
    `stretch`, without regard to proportions.

    Raises:
        ValueError: when the file cannot be decoded.
    """
    height, width = size_HW
    try:
        with Image.open(path) as image:
            # A JPEG is decoded at the smallest scale that is still large enough; a factor of two
            # is kept in hand, so that the resize below still averages over real pixels.
            image.draft(mode, (2 * max(size_HW), 2 * max(size_HW)))
            upright = ImageOps.exif_transpose(image)
            flat = _to_opaque(upright, mode)
    except _DECODE_ERRORS as error:
        raise ValueError(str(error) or type(error).__name__) from error
    fitted = _RESIZE_FUNCTIONS[resize](flat, (width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(fitted))
    return pixels[None] if mode == "L" else pixels.permute(2, 0, 1).contiguous()


def read_downscaled_image(path: Path, longest_side: int) -> Tensor:
    """uint8 (3, H, W): turned upright, on white, its longer side reduced to `longest_side` at most.

    Raises:
        ValueError: when the file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            # As above: the decoder may reduce, but leaves twice what is needed.
            image.draft("RGB", (2 * longest_side, 2 * longest_side))
            flat = _to_opaque(ImageOps.exif_transpose(image), "RGB")
    except _DECODE_ERRORS as error:
        raise ValueError(str(error) or type(error).__name__) from error
    flat.thumbnail((longest_side, longest_side), Image.Resampling.BICUBIC)  # never enlarges
    return torch.from_numpy(np.array(flat)).permute(2, 0, 1).contiguous()


def _to_opaque(image: Image.Image, mode: ColorMode) -> Image.Image:
    """`image` in `mode`, 8 bits a channel, with white where it is transparent."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed white")
    if image.mode.startswith("I"):
        # 16 bits of grey: Pillow's own conversion clips them at 255 instead of scaling.
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert(mode)
