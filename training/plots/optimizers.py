"""The course's plots of training: paths and losses of the update rules, and initialisations."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from training.course.descent import LossCurve
from training.course.initialisation import ActivationKind, SignalMagnitudes
from training.course.surfaces import Surface
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES

Paths = Mapping[str, Tensor]
"""Points (T, 2) by the rule's name."""

_FLOOR = 1e-3
InitializerResults = Mapping[str, tuple[SignalMagnitudes, list[float]]]
"""For each scheme, the signals before the first step and the loss of every epoch."""
_ZERO_POSITION = 1e-22
"""Position of an exact zero on the logarithmic axis."""


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
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)


@rc_context(DOCUMENT_STYLE)
def draw_initializers(rows: Mapping[ActivationKind, InitializerResults], path: Path) -> None:
    """Draw a row for each activation function: activations, gradients and losses."""
    figure = Figure(figsize=(10, 3.2 * len(rows) + 0.6), layout="constrained")
    grid = figure.add_gridspec(len(rows), 3)
    for row, (unit, results) in enumerate(rows.items()):
        signals = {name: before for name, (before, _) in results.items()}
        _draw_signals(
            figure.add_subplot(grid[row, 0]),
            {name: before.activations for name, before in signals.items()},
            f"{unit}: activations (RMS)",
        )
        _draw_signals(
            figure.add_subplot(grid[row, 1]),
            {name: before.gradients for name, before in signals.items()},
            f"{unit}: weights' gradients",
        )
        axes = figure.add_subplot(grid[row, 2])
        _draw_losses(axes, {name: losses for name, (_, losses) in results.items()}, unit)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path)


def _draw_signals(axes: Axes, sizes: Mapping[str, Sequence[float]], title: str) -> None:
    for (name, values), style in zip(sizes.items(), LINE_STYLES, strict=False):
        layers = range(1, len(values) + 1)
        shown = [max(value, _ZERO_POSITION) for value in values]
        axes.plot(layers, shown, marker=".", linestyle=style, label=name)
    axes.set_yscale("log")
    axes.set_ylim(_ZERO_POSITION / 10, 30)
    ticks = [10.0**power for power in range(-18, 1, 6)]
    axes.set_yticks([_ZERO_POSITION, *ticks], ["0", *(f"$10^{{{p}}}$" for p in range(-18, 1, 6))])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(title=title, xlabel="hidden layer", xticks=range(1, 11, 3))


def _draw_losses(axes: Axes, curves: Mapping[str, Sequence[float]], unit: str) -> None:
    for (name, losses), style in zip(curves.items(), LINE_STYLES, strict=False):
        axes.plot(range(1, len(losses) + 1), losses, marker=".", linestyle=style, label=name)
    axes.axhline(math.log(10), color="gray", linestyle=":", label="guessing: ln 10")
    axes.set(title=f"{unit}: training loss", xlabel="epoch", ylabel="loss (nats)")
    axes.set_ylim(bottom=0)
