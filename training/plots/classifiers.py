"""Confusion matrices of classifiers, and reliability diagrams of an ensemble."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from training.metrics.calibration import Reliability
from training.metrics.cross_validation import CrossValidation

_MAX_LABELLED_CLASSES = 30
"""Number of classes up to which every label and share is drawn."""


def draw_confusion(
    counts: NDArray[np.int64], labels: Sequence[str], title: str, path: Path
) -> None:
    """Draw true classes as rows and predicted classes as columns; cells show percents of a row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    show_values = len(labels) <= _MAX_LABELLED_CLASSES
    side = 2.6 + 0.5 * min(len(labels), _MAX_LABELLED_CLASSES)
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    display = ConfusionMatrixDisplay(100 * shares).plot(
        ax=axes,
        include_values=show_values,
        values_format=".0f",
        text_kw={"fontsize": 8},
        cmap="Blues",
        colorbar=False,
        # The square root makes rare confusions, which matter most, visible.
        im_kw={"norm": PowerNorm(0.5, 0, 100)},
    )
    if show_values:
        for text, share in zip(display.text_.flat, shares.flat, strict=True):
            text.set_visible(bool(share >= 0.005))
    step = -(-len(labels) // _MAX_LABELLED_CLASSES)
    ticks = range(0, len(labels), step)
    axes.set_xticks(ticks, labels[::step], rotation=45, ha="right")
    axes.set_yticks(ticks, labels[::step])
    axes.set(title=title, xlabel="predicted (%)", ylabel="true")
    figure.savefig(path)


def draw_cross_validation(cross_validation: CrossValidation, path: Path) -> None:
    """Draw the confusion matrix of the last stage over all held-out photographs."""
    stage = cross_validation.stages[-1]
    accuracy, deviation = cross_validation.accuracy(stage)
    # Short lines: with two classes the image is narrow.
    title = (
        f"{accuracy:.1%} ± {deviation:.1%} right\n"
        f"{cross_validation.n} held-out photos, {len(cross_validation.folds)} folds"
    )
    counts = cross_validation.confusion_matrix(stage).numpy()
    draw_confusion(counts, cross_validation.labels, title, path)


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
