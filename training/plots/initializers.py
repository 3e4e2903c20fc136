"""Plots of signals and losses of a deep net, by initialisation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.initialisation import ActivationKind, SignalMagnitudes

__all__ = ["InitializerResults", "draw_initializers"]

InitializerResults = Mapping[str, tuple[SignalMagnitudes, list[float]]]
"""For each scheme, the signals before the first step and the loss of every epoch."""

_ZERO_POSITION = 1e-22
"""Position of an exact zero on the logarithmic axis."""


def draw_initializers(rows: Mapping[ActivationKind, InitializerResults], path: Path) -> None:
    """Draw a row for each activation function: activations, gradients and losses."""
    figure = Figure(figsize=(12.5, 3.5 * len(rows)), dpi=80, layout="constrained")
    grid = figure.add_gridspec(len(rows), 3)
    for row, (unit, results) in enumerate(rows.items()):
        signals = {name: before for name, (before, _) in results.items()}
        _draw_signals(
            figure.add_subplot(grid[row, 0]),
            {name: before.activations for name, before in signals.items()},
            f"{unit}: activations (root mean square)",
        )
        _draw_signals(
            figure.add_subplot(grid[row, 1]),
            {name: before.gradients for name, before in signals.items()},
            f"{unit}: gradients of the weights",
        )
        axes = figure.add_subplot(grid[row, 2])
        _draw_losses(axes, {name: losses for name, (_, losses) in results.items()}, unit)
    figure.savefig(path)


def _draw_signals(axes: Axes, sizes: Mapping[str, Sequence[float]], title: str) -> None:
    for name, values in sizes.items():
        layers = range(1, len(values) + 1)
        axes.plot(layers, [max(value, _ZERO_POSITION) for value in values], marker=".", label=name)
    axes.set_yscale("log")
    axes.set_ylim(_ZERO_POSITION / 10, 30)
    if any(not value for values in sizes.values() for value in values):
        axes.text(0.8, _ZERO_POSITION * 2, "0", ha="right", fontweight="bold")
    axes.set(title=title, xlabel="hidden layer", xticks=range(1, 11))
    axes.grid(alpha=0.3)


def _draw_losses(axes: Axes, curves: Mapping[str, Sequence[float]], unit: str) -> None:
    for name, losses in curves.items():
        axes.plot(range(1, len(losses) + 1), losses, marker=".", label=name)
    axes.axhline(math.log(10), color="gray", linestyle=":", label="guessing: ln 10")
    axes.set(title=f"{unit}: training loss", xlabel="epoch", ylabel="loss (nats)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5)
