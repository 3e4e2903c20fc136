"""Plots of signals and losses of a deep net, by initialisation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from training.course.initialisation import ActivationKind, SignalMagnitudes
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES

InitializerResults = Mapping[str, tuple[SignalMagnitudes, list[float]]]
"""For each scheme, the signals before the first step and the loss of every epoch."""

_ZERO_POSITION = 1e-22
"""Position of an exact zero on the logarithmic axis."""


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
    axes.grid(alpha=0.3)


def _draw_losses(axes: Axes, curves: Mapping[str, Sequence[float]], unit: str) -> None:
    for (name, losses), style in zip(curves.items(), LINE_STYLES, strict=False):
        axes.plot(range(1, len(losses) + 1), losses, marker=".", linestyle=style, label=name)
    axes.axhline(math.log(10), color="gray", linestyle=":", label="guessing: ln 10")
    axes.set(title=f"{unit}: training loss", xlabel="epoch", ylabel="loss (nats)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
