"""Images before and after restoration, side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP, _CAPTION, _MARGIN = 6, 22, 66
"""In pixels: between images, above them, and to the left."""


def draw_image_rows(rows: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> None:
    """Draw a captioned row for each entry: images uint8 (N, H, W, C) side by side."""
    count, height, width = rows[0][1].shape[:3]
    figure = Figure(
        figsize=(1.1 + 0.72 * count, 0.74 * height / width * len(rows)),
        dpi=110,
        layout="constrained",
    )
    for index, (caption, images) in enumerate(rows, start=1):
        draw_image_row(figure.add_subplot(len(rows), 1, index), caption, images)
    figure.savefig(path)


def draw_image_row(axes: Axes, caption: str, images: NDArray[np.uint8]) -> None:
    """Draw images uint8 (N, H, W, C) side by side, with the caption to the left."""
    strip = np.concatenate(list(images), axis=1)
    axes.imshow(strip[..., 0] if strip.shape[2] == 1 else strip, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(caption, rotation=0, ha="right", va="center")
    axes.spines[:].set_visible(False)


def draw_image_grid(
    columns: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], rows: Sequence[str], path: Path
) -> None:
    """Draw a captioned column of unscaled squares (S, S, 3) for each entry, with row names."""
    side = len(columns[0][1][0])
    step = side + _GAP
    size = (_MARGIN + step * len(columns), _CAPTION + step * len(rows))
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for row, name in enumerate(rows):
        middle = _CAPTION + row * step + side / 2
        draw.text((_MARGIN - _GAP, middle), name, fill="black", font=font, anchor="rm")
    for column, (caption, images) in enumerate(columns):
        left = _MARGIN + column * step
        draw.text((left + side / 2, _CAPTION / 2), caption, fill="black", font=font, anchor="mm")
        for row, image in enumerate(images):
            canvas.paste(Image.fromarray(image), (left, _CAPTION + row * step))
    canvas.save(path, optimize=True)
