"""The style of figures that documents show at the width of a text column.

A figure 10 inches wide at 110 dpi is shown there some 830 pixels wide, so its letters of 10.5
points appear as 9 points.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

LINE_STYLES: Any = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 1)),
    (0, (8, 3)),
)
"""Tell lines apart without colour."""

_COLORS = (
    "#1f77b4",
    "#e6750a",
    "#2a962a",
    "#c22527",
    "#8256b5",
    "#17a8b8",
    "#d062ae",
    "#555555",
)
"""Eight hues; matplotlib's own cycle has a brown that resembles its red."""

DOCUMENT_STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "axes.prop_cycle": cycler(color=_COLORS),
    "axes.grid": True,
    "grid.alpha": 0.3,
}
"""For `matplotlib.rc_context`."""


def set_log_ticks(axes: Axes, ticks: Sequence[float]) -> None:
    """Scale the x axis logarithmically, with plain numbers at `ticks` only."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks(ticks)
    axes.minorticks_off()


def plot_runs(
    axes: Axes,
    runs: Mapping[float, Sequence[float]] | Mapping[int, Sequence[float]],
    label: str,
    number_format: str,
    offset: tuple[float, float],
    align: Literal["right", "center"] = "center",
) -> None:
    """Draw a line through the labelled means of `runs` by x, and a mark for each run.

    A label is `offset` points above the highest run, or below the lowest.
    """
    means = {x: sum(values) / len(values) for x, values in runs.items()}
    (line,) = axes.plot(list(means), list(means.values()), marker="o", label=label)
    for x, values in runs.items():
        axes.plot([x] * len(values), values, "_", color=line.get_color(), alpha=0.6)
        text = format(means[x], number_format)
        edge = max(values) if offset[1] > 0 else min(values)
        vertical = "bottom" if offset[1] > 0 else "top"
        axes.annotate(text, (x, edge), offset, textcoords="offset points", ha=align, va=vertical)
