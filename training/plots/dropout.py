"""Plots of the two formulations of dropout, and of its effect on a net that overfits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from training.course.dropout import DropoutResult
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES, plot_runs


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
    axes.grid(alpha=0.3)
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
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
