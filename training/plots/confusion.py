"""A confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["draw_confusion"]

_MAX_LABELLED_CLASSES = 30
"""Classes, up to which names and figures can be told apart."""


def draw_confusion(
    counts: NDArray[np.int64], labels: Sequence[str], title: str, path: Path
) -> None:
    """Rows are the truth, columns what was answered; cells show the share of their row.

    With many classes the picture does not grow without end: cells then hold no figures.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    hide_values = len(labels) > _MAX_LABELLED_CLASSES
    side = 2.6 + 0.5 * min(len(labels), _MAX_LABELLED_CLASSES)
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    # The square root lifts the rare confusions, which are what one looks for, out of the white.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*shares.shape):
        share = float(shares[row, column])
        if share >= 0.005 and not hide_values:
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if share > 0.35 else "black",
            )
    step = -(-len(labels) // _MAX_LABELLED_CLASSES)
    ticks = range(0, len(labels), step)
    axes.set_xticks(ticks, labels[::step], rotation=45, ha="right")
    axes.set_yticks(ticks, labels[::step])
    axes.set(title=title, xlabel="answered (%)", ylabel="is")
    figure.savefig(path)
