"""Rate–distortion curves of codecs, and samples of their output."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.metrics.rate_distortion import RatePoint
from training.plots.images import draw_image_row
from training.plots.style import set_log_ticks


def draw_rate_distortion(
    rows: Sequence[tuple[str, NDArray[np.uint8]]],
    curves: Mapping[str, Sequence[RatePoint]],
    served: RatePoint,
    lossless: Mapping[str, float],
    title: str,
    path: Path,
) -> None:
    """Draw captioned rows of images uint8 (N, H, W, C), then the curves of mean bytes a file.

    `served` is marked in the colour of the first curve. `lossless` are mean sizes; these codecs
    have no error and are drawn as lines.
    """
    figure = Figure(figsize=(8.4, 1.5 * len(rows) / 2 + 4.4), dpi=110, layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, 1, height_ratios=[*([0.75] * len(rows)), 4.4])
    for index, (caption, images) in enumerate(rows):
        draw_image_row(figure.add_subplot(grid[index]), caption, images)
    axes = figure.add_subplot(grid[len(rows)])
    _draw_curves(axes, curves, served)
    for (name, size), style in zip(lossless.items(), (":", "--", "-."), strict=False):
        label = f"{name}, lossless: {size:.0f} bytes"
        axes.axvline(size, color="gray", linestyle=style, label=label)
    set_log_ticks(axes, [25, 50, 100, 200, 400, 800])
    axes.set(xlabel="bytes an image (mean, whole file)", ylabel="PSNR (dB)", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path)


def _draw_curves(axes: Axes, curves: Mapping[str, Sequence[RatePoint]], served: RatePoint) -> None:
    for index, (name, points) in enumerate(curves.items()):
        axes.plot(*zip(*sorted(points), strict=True), marker=".", label=name.replace("_", " "))
        if index == 0:
            label = f"as served: {served.rate:.0f} bytes, {served.psnr_db:.1f} dB"
            color = axes.lines[0].get_color()
            axes.plot(*served, "*", markersize=16, color=color, label=label)


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
