"""Crops and rate curves that compare photo codecs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.plots.style import set_log_ticks


def draw_crops(images: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> None:
    """Draw the centres of captioned images (H, W, 3) in a row, enlarged so that pixels show."""
    height, width = images[0][1].shape[:2]
    side = min(height, width, 240)
    top, left = (height - side) // 2, (width - side) // 2
    figure = Figure(figsize=(3.4 * len(images), 3.6), dpi=90, layout="constrained")
    for index, (caption, image) in enumerate(images, start=1):
        axes = figure.add_subplot(1, len(images), index)
        axes.imshow(image[top : top + side, left : left + side], interpolation="nearest")
        axes.set_title(caption, fontsize=9)
        axes.set_axis_off()
    # Optimised, because a preview must not be the largest part of a published model.
    figure.savefig(path, pil_kwargs={"optimize": True})


def draw_rate_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]], title: str, path: Path
) -> None:
    """Draw each codec's (bits per pixel, PSNR in dB); the legend follows the order of `curves`."""
    figure = Figure(figsize=(7.2, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=name)
    set_log_ticks(axes, [0.1, 0.2, 0.5, 1, 2, 4])
    axes.set(xlabel="bits per pixel, whole files", ylabel="PSNR of RGB (dB)", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
