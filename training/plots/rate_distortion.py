"""Rate–distortion curves of several codecs, below samples of their output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

__all__ = ["RateDistortionCurve", "draw_rate_distortion"]


class _Point(Protocol):
    @property
    def size_bytes(self) -> float: ...
    @property
    def psnr_db(self) -> float: ...


@dataclass(frozen=True)
class RateDistortionCurve:
    """A codec at several qualities; `served` is the point that a service uses."""

    name: str
    points: Sequence[_Point]
    published_point: _Point | None


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
        _draw_row(figure.add_subplot(grid[index]), caption, images)
    _draw_curves(figure.add_subplot(grid[len(rows)]), curves, lossless, title)
    figure.savefig(path)


def _draw_row(axes: Axes, caption: str, images: NDArray[np.uint8]) -> None:
    strip = np.concatenate(list(images), axis=1)
    axes.imshow(strip[..., 0] if strip.shape[2] == 1 else strip, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(caption, rotation=0, ha="right", va="center")
    for spine in axes.spines.values():
        spine.set_visible(False)


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
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks([25, 50, 100, 200, 400, 800])
    axes.minorticks_off()
    axes.set(xlabel="bytes an image (mean, whole file)", ylabel="PSNR (dB)", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
