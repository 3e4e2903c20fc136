"""Plain and residual nets by depth (as figure 6 of He et al. 2015, arXiv 1512.03385)."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.degradation import DegradationResult

__all__ = ["draw_residual"]

_NAMES = {False: "plain", True: "residual"}


def draw_residual(outcomes: Sequence[DegradationResult], path: Path) -> None:
    """Draw losses of plain and residual nets, and the test error of both; one line per seed."""
    figure = Figure(figsize=(12.5, 3.8), dpi=80, layout="constrained")
    depths = sorted({outcome.depth for outcome in outcomes})
    for column, residual in enumerate((False, True), start=1):
        axes = figure.add_subplot(1, 3, column)
        for outcome in outcomes:
            if outcome.residual is residual:
                colour = f"C{depths.index(outcome.depth)}"
                epochs = range(1, len(outcome.losses) + 1)
                axes.plot(epochs, outcome.losses, color=colour, label=f"{outcome.depth} layers")
        _draw_unique_legend(axes)
        axes.set(title=f"{_NAMES[residual]} nets", xlabel="epoch", ylabel="training loss (nats)")
        axes.set_ylim(0, 2.7)
    _draw_errors(figure.add_subplot(1, 3, 3), outcomes, depths)
    figure.savefig(path)


def _draw_unique_legend(axes: Axes) -> None:
    """Draw a legend with one entry for each depth."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), fontsize=8)
    axes.grid(alpha=0.3)


def _draw_errors(axes: Axes, outcomes: Sequence[DegradationResult], depths: Sequence[int]) -> None:
    for residual, name in _NAMES.items():
        errors = {
            depth: [
                100 * o.test_error for o in outcomes if (o.depth, o.residual) == (depth, residual)
            ]
            for depth in depths
        }
        means = [sum(errors[depth]) / len(errors[depth]) for depth in depths]
        (line,) = axes.plot(depths, means, marker="o", label=name)
        for depth in depths:
            axes.plot([depth] * len(errors[depth]), errors[depth], "_", color=line.get_color())
        for depth, mean in zip(depths, means, strict=True):
            axes.annotate(f"{mean:.1f}", (depth, mean), (4, 5), textcoords="offset points", size=8)
    axes.set(title="test error (%)", xlabel="layers", xticks=depths)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
