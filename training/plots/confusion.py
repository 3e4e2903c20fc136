"""Draw confusion matrices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

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
