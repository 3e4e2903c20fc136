"""Sample photos of a classifier, and the previews of added models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from models_store.errors import AddError
from models_store.tasks import FixedImage

MAX_PHOTOS = 16
_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_TILE, _CAPTION, _COLUMNS, _MARGIN = 160, 32, 4, 8


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return the files among `paths` and the photos in the folders among them, at most 16.

    Raises:
        AddError: one does not exist, or there is no photo.
    """
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            photos += sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        elif path.is_file():
            photos.append(path)
        else:
            raise AddError(f"there is no photo or folder {path}")
    if paths and not photos:
        raise AddError(f"there are no photos in {', '.join(map(str, paths))}")
    return photos[:MAX_PHOTOS]


def read_photo(path: Path, spec: FixedImage) -> NDArray[np.uint8]:
    """Return the photo as (H, W, C), brought to the size of `spec`.

    Raises:
        AddError: it is no image that Pillow reads.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert(spec.mode)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise AddError(f"{path} cannot be read as a photo: {error}") from error
    size = (spec.width, spec.height)
    if spec.resize == "crop":
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    elif spec.resize == "pad":
        image = ImageOps.pad(image, size, Image.Resampling.BICUBIC)
    else:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(spec.height, spec.width, -1)


def draw_captions(images: NDArray[np.uint8], captions: Sequence[str]) -> Image.Image:
    """Draw images (B, H, W, C) in rows, each over its caption."""
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    width, height = _TILE + _MARGIN, _TILE + _CAPTION
    sheet = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (image_HWC, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = _MARGIN + index % columns * width, _MARGIN + index // columns * height
        tile = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC)
        sheet.paste(ImageOps.contain(tile.convert("RGB"), (_TILE, _TILE)), (left, top))
        draw.text((left, top + _TILE + 4), caption[:26], "black", font)
    return sheet


def draw_text(lines: Sequence[str]) -> Image.Image:
    """Draw lines of text, for a model without a preview of its own."""
    font = ImageFont.load_default(14)
    width = max(int(font.getlength(line)) for line in lines) + 4 * _MARGIN
    sheet = Image.new("RGB", (max(320, width), 22 * len(lines) + 4 * _MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for index, line in enumerate(lines):
        draw.text((2 * _MARGIN, 2 * _MARGIN + 22 * index), line, "black", font)
    return sheet
