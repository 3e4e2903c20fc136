"""Images in rows: restored ones, predictions beside images, nearest training images, and text."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from training.metrics.feature_extractor import MobileNetFeatures
from training.metrics.generative import MAX_COMPARED_IMAGES, nearest_training_images

_GAP, _CAPTION, _MARGIN = 6, 22, 66
"""In pixels: between images, above them, and to the left."""
_COLUMNS, _LINES = 72, 26


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


def draw_predictions(
    predictions: Sequence[tuple[NDArray[np.uint8], Sequence[tuple[str, float]]]], path: Path
) -> None:
    """Draw a row for each image (H, W, C): the image, and its labels' probabilities, best first."""
    figure = Figure(figsize=(6.4, 2.2 * len(predictions)), dpi=110, layout="constrained")
    for index, (image, labels) in enumerate(predictions):
        image_axes = figure.add_subplot(len(predictions), 2, 2 * index + 1)
        image_axes.imshow(image)
        image_axes.set_axis_off()
        bar_axes = figure.add_subplot(len(predictions), 2, 2 * index + 2)
        positions = range(len(labels))
        shares = [share for _, share in labels]
        bars = bar_axes.barh(positions, shares, color="#4477aa")
        bar_axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=8)
        bar_axes.set_yticks(positions, [label for label, _ in labels], fontsize=8)
        bar_axes.set(xlim=(0, 1.18), xticks=[])
        bar_axes.invert_yaxis()
        bar_axes.spines[:].set_visible(False)
    figure.savefig(path)


def draw_neighbours(generated_NCHW: Tensor, training_NCHW: Tensor, path: Path) -> None:
    """Draw generated uint8 images above the nearest training images by pixels and by features.

    Raises:
        DataError: the weights that compute the features are missing.
    """
    extractor = MobileNetFeatures()
    # The features of these images have been cached by the published comparison.
    candidates_NCHW = training_NCHW[: 2 * MAX_COMPARED_IMAGES]
    features = torch.cdist(
        extractor(generated_NCHW), extractor(candidates_NCHW, cache=True)
    ).argmin(1)
    rows = {
        "generated": generated_NCHW,
        "by pixels": training_NCHW[nearest_training_images(generated_NCHW, training_NCHW).indices],
        "by features": candidates_NCHW[features],
    }
    draw_image_rows(
        [(name, np.asarray(images.permute(0, 2, 3, 1))) for name, images in rows.items()], path
    )


def draw_text_sample(text: str, title: str, path: Path) -> None:
    """Draw text in a monospaced font; wrap long lines and cut off text beyond the page."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, _COLUMNS) or [""]]
    figure = Figure(figsize=(7.4, 5.6), dpi=110)
    figure.text(0.03, 0.965, title, va="top", fontsize=10, color="0.4", parse_math=False)
    figure.text(
        0.03,
        0.91,
        "\n".join(lines[:_LINES]),
        va="top",
        family="DejaVu Sans Mono",  # comes with matplotlib; covers accents, Greek and Cyrillic
        fontsize=9.5,
        linespacing=1.4,
        parse_math=False,
    )
    figure.savefig(path)
