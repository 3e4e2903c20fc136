"""Plain and residual nets by depth (as figure 6 of He et al. 2015, arXiv 1512.03385)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.degradation import DegradationResult
from training.plots.style import DOCUMENT_STYLE, LINE_STYLES, plot_runs

_NAMES = {False: "plain", True: "residual"}


@rc_context(DOCUMENT_STYLE)
def draw_residual(outcomes: Sequence[DegradationResult], path: Path) -> None:
    """Draw losses of plain and residual nets, and the test error of both; one line per seed."""
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
    axes.grid(alpha=0.3)


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
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
