"""Paths of the update rules over surfaces, and the loss of a small net under each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from training.course.descent import LossCurve
from training.course.surfaces import Surface
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES

Paths = Mapping[str, Tensor]
"""Points (T, 2) by the rule's name."""

_FLOOR = 1e-3


@rc_context(DOCUMENT_STYLE)
def draw_optimizers(
    paths: Sequence[tuple[Surface, Paths]],
    batch_sizes: Sequence[LossCurve],
    rules: Sequence[LossCurve],
    path: Path,
) -> None:
    """Draw four surfaces above; below, the net's loss by batch size and by rule."""
    figure = Figure(figsize=(10, 8.2), layout="constrained")
    grid = figure.add_gridspec(3, 4, height_ratios=[1, 0.12, 1.5])
    for index, (surface, walked) in enumerate(paths):
        axes = figure.add_subplot(grid[0, index])
        _draw_surface(axes, surface, walked)
    below = figure.add_subplot(grid[1, :])
    below.axis("off")
    below.legend(*axes.get_legend_handles_labels(), loc="center", ncols=6, frameon=False)
    _draw_curves(figure.add_subplot(grid[2, :2]), batch_sizes, "plain descent, by batch size")
    _draw_curves(figure.add_subplot(grid[2, 2:]), rules, "batches of 32, each at its best rate")
    figure.savefig(path)


def _draw_surface(axes: Axes, surface: Surface, paths: Paths) -> None:
    left, right, low, high = surface.window
    x, y = np.meshgrid(np.linspace(left, right, 160), np.linspace(low, high, 160))
    points = torch.from_numpy(np.stack([x, y], axis=-1))
    losses = surface.loss(points).numpy()
    lowest = float(surface.loss(torch.tensor(surface.minima[0], dtype=torch.float64)))
    # Logarithms of the height above the lowest point make contours dense where paths are slow.
    heights = np.log10(np.maximum(losses - lowest, _FLOOR))
    axes.contourf(x, y, heights, levels=24, cmap="Greys", vmin=-3, vmax=5)
    axes.plot(*zip(*surface.minima, strict=True), "k*", markersize=11, zorder=5)
    for trap in surface.traps:
        axes.plot(*trap, "kx", markersize=8, markeredgewidth=2, zorder=5)
    for (name, walked), style in zip(paths.items(), LINE_STYLES, strict=False):
        xs, ys = walked.numpy().T
        (line,) = axes.plot(
            xs, ys, linestyle=style, linewidth=1.5, marker=".", markersize=3, label=name
        )
        axes.plot(xs[-1], ys[-1], "o", color=line.get_color(), markersize=7, markeredgecolor="w")
    axes.set(
        title=surface.name.replace(": ", ":\n"),
        xlim=(left, right),
        ylim=(low, high),
        xticks=[],
        yticks=[],
    )


def _draw_curves(axes: Axes, curves: Sequence[LossCurve], title: str) -> None:
    for curve, style in zip(curves, LINE_STYLES, strict=False):
        label = f"{curve.name} ({curve.steps:,} steps, {curve.losses[-1]:.3f})"
        axes.plot(curve.epochs, curve.losses, linestyle=style, label=label)
    axes.set_yscale("log")
    axes.set(title=title, xlabel="passes over the data", ylabel="loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
