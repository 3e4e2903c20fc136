"""Plots of the two formulations of dropout, and of its effect on a net that overfits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from training.course.dropout import DropoutResult

__all__ = ["draw_dropout"]


def draw_dropout(
    spread: Mapping[str, tuple[Tensor, float]],
    outcomes: Mapping[float, Sequence[DropoutResult]],
    path: Path,
) -> None:
    """Draw one result for each seed; the keys of `outcomes` are drop probabilities."""
    figure = Figure(figsize=(12.5, 3.6), dpi=80, layout="constrained")
    _draw_spread(figure.add_subplot(1, 3, 1), spread)
    axes = figure.add_subplot(1, 3, 2)
    for drop, runs in outcomes.items():
        mean = [sum(at) / len(at) for at in zip(*(run.losses for run in runs), strict=True)]
        axes.plot(range(1, len(mean) + 1), mean, label=f"dropped: {drop:.0%}")
    axes.set(title="training loss, three labels in ten wrong", xlabel="epoch", ylabel="nats")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _draw_accuracies(figure.add_subplot(1, 3, 3), outcomes)
    figure.savefig(path)


def _draw_spread(axes: Axes, spread: Mapping[str, tuple[Tensor, float]]) -> None:
    for index, (name, (sums, evaluated)) in enumerate(spread.items()):
        colour = f"C{index}"
        axes.hist(sums.numpy(), bins=50, alpha=0.45, color=colour, label=f"{name}, training")
        axes.axvline(float(sums.mean()), color=colour, label="  its mean")
        axes.axvline(evaluated, color="black", linestyle=":", label="  in evaluation")
    axes.set(title="one sum, half of its inputs dropped", xlabel="sum", yticks=[])
    axes.legend(fontsize=7)


def _draw_accuracies(axes: Axes, outcomes: Mapping[float, Sequence[DropoutResult]]) -> None:
    drops = list(outcomes)
    for name, field in (("as taught", "train_accuracy"), ("test", "test_accuracy")):
        means = [sum(getattr(run, field) for run in outcomes[d]) / len(outcomes[d]) for d in drops]
        (line,) = axes.plot(drops, means, marker="o", label=name)
        for drop, runs in outcomes.items():
            values = [getattr(run, field) for run in runs]
            axes.plot([drop] * len(values), values, "_", color=line.get_color(), alpha=0.6)
        for drop, mean in zip(drops, means, strict=True):
            axes.annotate(f"{mean:.1%}", (drop, mean), (0, 6), textcoords="offset points", size=8)
    axes.set(title="share right", xlabel="share of units dropped", xticks=drops)
    axes.margins(y=0.15)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
