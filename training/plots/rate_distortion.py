"""Rate–distortion curves of several codecs, below samples of their output."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.metrics.bd_rate import RatePoint
from training.plots.restoration import draw_image_row
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
            star = {"marker": "*", "markersize": 16, "linestyle": "none"}
            axes.plot(*served, color=axes.lines[0].get_color(), label=label, **star)
