"""The course's plots of layers: batch normalisation, dropout, and shortcuts by depth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from training.course.batch_norm import NormPosition
from training.course.degradation import DegradationResult
from training.course.dropout import DropoutResult
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES, plot_runs

Losses = Mapping[NormPosition, Sequence[Sequence[float]]]
"""For each position of the norm and each seed, the loss of each epoch."""
_NAMES = {False: "plain", True: "residual"}


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


@rc_context(DOCUMENT_STYLE)
def draw_dropout(
    spread: Mapping[str, tuple[Tensor, float]],
    outcomes: Mapping[float, Sequence[DropoutResult]],
    path: Path,
) -> None:
    """Draw one result for each seed; the keys of `outcomes` are drop probabilities."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    _draw_spread(figure.add_subplot(1, 3, 1), spread)
    axes = figure.add_subplot(1, 3, 2)
    for (drop, runs), style in zip(outcomes.items(), LINE_STYLES, strict=False):
        mean = [sum(at) / len(at) for at in zip(*(run.losses for run in runs), strict=True)]
        axes.plot(range(1, len(mean) + 1), mean, linestyle=style, label=f"{drop:.0%} dropped")
    axes.set(title="training loss, 3 of 10 labels wrong", xlabel="epoch", ylabel="loss (nats)")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    _draw_accuracies(figure.add_subplot(1, 3, 3), outcomes)
    figure.savefig(path)


def _draw_spread(axes: Axes, spread: Mapping[str, tuple[Tensor, float]]) -> None:
    for index, (name, (sums, evaluated)) in enumerate(spread.items()):
        color = f"C{index}"
        axes.hist(sums.numpy(), bins=50, alpha=0.45, color=color, label=f"{name}, training")
        axes.axvline(float(sums.mean()), color=color, label=f"{name}, mean")
        evaluation = axes.axvline(evaluated, color="black", linestyle=":")
    evaluation.set_label("in evaluation")
    axes.set(title="a sum, half of its inputs dropped", xlabel="sum", ylabel="samples")
    axes.grid(visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)


def _draw_accuracies(axes: Axes, outcomes: Mapping[float, Sequence[DropoutResult]]) -> None:
    drops = list(outcomes)
    # Beside the points, where neither the falling nor the rising line passes.
    for name, field, offset in (
        ("training labels", "train_accuracy", (-4, -3)),
        ("test images", "test_accuracy", (-4, 3)),
    ):
        runs = {drop: [getattr(run, field) for run in outcomes[drop]] for drop in drops}
        plot_runs(axes, runs, name, ".0%", offset, "right")
    axes.set(title="accuracy", xlabel="share of units dropped", xticks=drops)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(y=0.15)
    axes.set_xlim(min(drops) - 0.22, max(drops) + 0.06)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)


@rc_context(DOCUMENT_STYLE)
def draw_residual(outcomes: Sequence[DegradationResult], path: Path) -> None:
    """Draw losses of plain and residual nets, and the test error of both; one line per seed.

    As figure 6 of He et al. 2015 (arXiv 1512.03385).
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    depths = sorted({outcome.depth for outcome in outcomes})
    for column, residual in enumerate((False, True), start=1):
        axes = figure.add_subplot(1, 3, column)
        for outcome in outcomes:
            if outcome.residual is residual:
                index = depths.index(outcome.depth)
                style: dict[str, Any] = {"color": f"C{index}", "linestyle": LINE_STYLES[index]}
                epochs = range(1, len(outcome.losses) + 1)
                axes.plot(epochs, outcome.losses, label=f"{outcome.depth} layers", **style)
        _draw_unique_legend(axes)
        axes.set(title=f"{_NAMES[residual]} nets", xlabel="epoch", ylabel="training loss (nats)")
        axes.set_ylim(0, 2.7)
    _draw_errors(figure.add_subplot(1, 3, 3), outcomes, depths)
    figure.savefig(path)


def _draw_unique_legend(axes: Axes) -> None:
    """Draw a legend with one entry for each depth."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys())


def _draw_errors(axes: Axes, outcomes: Sequence[DegradationResult], depths: Sequence[int]) -> None:
    for residual, name in _NAMES.items():
        errors = {
            depth: [
                100 * o.test_error for o in outcomes if (o.depth, o.residual) == (depth, residual)
            ]
            for depth in depths
        }
        plot_runs(axes, errors, name, ".1f", (0, -5) if residual else (0, 5))
    axes.set(title="test error (%)", xlabel="layers", xticks=depths)
    axes.margins(x=0.15, y=0.2)
    axes.legend(loc="upper left")
