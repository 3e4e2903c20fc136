"""Pictures beside what a classifier says of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["draw_predictions"]


def draw_predictions(
    answers: Sequence[tuple[NDArray[np.uint8], Sequence[tuple[str, float]]]], path: Path
) -> None:
    """A row for each picture (H, W, C): the picture, and its labels' probabilities, best first."""
    figure = Figure(figsize=(6.4, 2.2 * len(answers)), dpi=110, layout="constrained")
    for index, (picture, labels) in enumerate(answers):
        shown = figure.add_subplot(len(answers), 2, 2 * index + 1)
        shown.imshow(picture)
        shown.set_axis_off()
        bars = figure.add_subplot(len(answers), 2, 2 * index + 2)
        places = range(len(labels))
        shares = [share for _, share in labels]
        drawn = bars.barh(places, shares, color="#4477aa")
        bars.bar_label(drawn, [f"{share:.1%}" for share in shares], padding=3, fontsize=8)
        bars.set_yticks(places, [label for label, _ in labels], fontsize=8)
        bars.set(xlim=(0, 1.18), xticks=[])
        bars.invert_yaxis()
        bars.spines[:].set_visible(False)
    figure.savefig(path)
