"""Accuracy and reliability diagrams of an ensemble and its members."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.metrics.calibration import Reliability


def draw_ensemble(
    members: Sequence[float],
    ensemble: float,
    diagrams: Mapping[str, Reliability],
    title: str,
    path: Path,
) -> None:
    """Draw accuracies (0–1) of `members` and the ensemble, and a reliability diagram of each."""
    width = 3.2 + 2.6 * len(diagrams)
    figure = Figure(figsize=(width, 3.7), dpi=110, layout="constrained")
    ratios = [1.2, *(1 for _ in diagrams)]
    panels = figure.subplots(1, 1 + len(diagrams), width_ratios=ratios)
    _bars(panels[0], members, ensemble)
    for axes, (name, diagram) in zip(panels[1:], diagrams.items(), strict=True):
        _diagram(axes, name, diagram)
    panels[1].set_ylabel("accuracy (%)")
    figure.suptitle(title)
    figure.savefig(path)


def _bars(axes: Axes, members: Sequence[float], ensemble: float) -> None:
    names = [*(str(index + 1) for index in range(len(members))), "all"]
    heights = [100 * value for value in (*members, ensemble)]
    bars = axes.bar(names, heights, color=[*("0.7" for _ in members), "tab:blue"])
    axes.bar_label(bars, fmt="%.1f", fontsize=8)
    # An axis from zero would hide the differences; labels give the values.
    low, high = min(heights), max(heights)
    margin = max(0.5, high - low)
    axes.set(ylim=(low - margin, min(100, high + 0.4 * margin)), ylabel="accuracy (%)")
    axes.set_title("members and ensemble", fontsize=10)


def _diagram(axes: Axes, name: str, diagram: Reliability) -> None:
    bins = len(diagram.share_S)
    centers = [100 * (index + 0.5) / bins for index in range(bins)]
    axes.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle="--")
    heights = (100 * diagram.accuracy_S.nan_to_num()).tolist()
    axes.bar(centers, heights, 100 / bins, color="tab:blue", edgecolor="white")
    axes.plot(
        (100 * diagram.confidence_S).tolist(),
        (100 * diagram.accuracy_S).tolist(),
        "o", color="tab:red", markersize=3,
    )  # fmt: skip
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence (%)")
    axes.set_title(f"{name}\nECE {diagram.expected_calibration_error:.3f}", fontsize=10)
