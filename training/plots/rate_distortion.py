"""Rate–distortion curves of several codecs, below samples of their output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.plots.restoration import draw_image_row
from training.plots.style import set_log_ticks


@dataclass(frozen=True)
class SizePsnrPoint:
    """Mean size of a file in bytes and mean PSNR in dB, over images."""

    size_bytes: float
    psnr_db: float


@dataclass(frozen=True)
class RateDistortionCurve:
    """A codec at several qualities; `published_point` is the one that is served."""

    name: str
    points: Sequence[SizePsnrPoint]
    published_point: SizePsnrPoint | None


def draw_rate_distortion(
    rows: Sequence[tuple[str, NDArray[np.uint8]]],
    curves: Sequence[RateDistortionCurve],
    lossless: Mapping[str, float],
    title: str,
    path: Path,
) -> None:
    """Draw captioned rows of images uint8 (N, H, W, C), then the curves.

    `lossless` are mean sizes; these codecs have no error and are drawn as lines.
    """
    figure = Figure(figsize=(8.4, 1.5 * len(rows) / 2 + 4.4), dpi=110, layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, 1, height_ratios=[*([0.75] * len(rows)), 4.4])
    for index, (caption, images) in enumerate(rows):
        draw_image_row(figure.add_subplot(grid[index]), caption, images)
    _draw_curves(figure.add_subplot(grid[len(rows)]), curves, lossless, title)
    figure.savefig(path)


def _draw_curves(
    axes: Axes, curves: Sequence[RateDistortionCurve], lossless: Mapping[str, float], title: str
) -> None:
    for curve in curves:
        ordered = sorted(curve.points, key=lambda point: point.size_bytes)
        (line,) = axes.plot(
            [point.size_bytes for point in ordered],
            [point.psnr_db for point in ordered],
            marker=".",
            label=curve.name.replace("_", " "),
        )
        if curve.published_point is not None:
            axes.plot(
                curve.published_point.size_bytes,
                curve.published_point.psnr_db,
                marker="*",
                markersize=16,
                linestyle="none",
                color=line.get_color(),
                label=(
                    f"as served: {curve.published_point.size_bytes:.0f} bytes, "
                    f"{curve.published_point.psnr_db:.1f} dB"
                ),
            )
    for (name, size), style in zip(lossless.items(), (":", "--", "-."), strict=False):
        axes.axvline(
            size, color="gray", linestyle=style, label=f"{name}, lossless: {size:.0f} bytes"
        )
    set_log_ticks(axes, [25, 50, 100, 200, 400, 800])
    axes.set(xlabel="bytes an image (mean, whole file)", ylabel="PSNR (dB)", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
