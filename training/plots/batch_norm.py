"""Plots of batch normalisation: running averages, and nets with and without it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.batch_norm import NormPosition
from training.plots.style import DOCUMENT_STYLE

Losses = Mapping[NormPosition, Sequence[Sequence[float]]]
"""For each position of the norm and each seed, the loss of each epoch."""


@rc_context(DOCUMENT_STYLE)
def draw_batch_norm(
    statistics: Mapping[str, Sequence[float]], by_rate: Mapping[float, Losses], path: Path
) -> None:
    """Draw the result of `track_statistics`, then a panel of losses for each rate."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    grid = figure.add_gridspec(2, len(by_rate))
    _draw_statistics(figure.add_subplot(grid[0, :]), statistics)
    for index, (rate, losses) in enumerate(by_rate.items()):
        axes = figure.add_subplot(grid[1, index])
        _draw_losses(axes, losses, rate)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path)


def _draw_statistics(axes: Axes, statistics: Mapping[str, Sequence[float]]) -> None:
    for quantity, color in (("mean", "C0"), ("deviation", "C1")):
        for kind, style in (("batch", "."), ("running", "-"), ("true", ":")):
            values = statistics[f"{kind} {quantity}"]
            steps = range(1, len(values) + 1)
            shade = "black" if kind == "true" else color
            axes.plot(steps, values, style, color=shade, markersize=3, label=f"{kind} {quantity}")
    axes.set(title="one unit, batch after batch", xlabel="step")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False)


def _draw_losses(axes: Axes, losses: Losses, rate: float) -> None:
    for position, runs in losses.items():
        color = {"none": "C3", "before ReLU": "C2", "after ReLU": "C4"}[position]
        style = {"none": "-", "before ReLU": "--", "after ReLU": "-."}[position]
        label = f"norm {position}" if position != "none" else "no norm"
        for index, run in enumerate(runs):
            axes.plot(
                range(1, len(run) + 1),
                run,
                color=color,
                linestyle=style,
                label=label if index == 0 else None,
            )
    axes.set(title=f"6 convolutions, rate {rate:g}", xlabel="epoch", ylabel="loss (nats)")
    axes.set_ylim(0, 2.6)
    axes.grid(alpha=0.3)
