"""Images beside the predictions of a classifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_predictions(
    predictions: Sequence[tuple[NDArray[np.uint8], Sequence[tuple[str, float]]]], path: Path
) -> None:
    """Draw a row for each image (H, W, C): the image, and its labels' probabilities, best first."""
    figure = Figure(figsize=(6.4, 2.2 * len(predictions)), dpi=110, layout="constrained")
    for index, (image, labels) in enumerate(predictions):
        image_axes = figure.add_subplot(len(predictions), 2, 2 * index + 1)
        image_axes.imshow(image)
        image_axes.set_axis_off()
        bar_axes = figure.add_subplot(len(predictions), 2, 2 * index + 2)
        positions = range(len(labels))
        shares = [share for _, share in labels]
        bars = bar_axes.barh(positions, shares, color="#4477aa")
        bar_axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=8)
        bar_axes.set_yticks(positions, [label for label, _ in labels], fontsize=8)
        bar_axes.set(xlim=(0, 1.18), xticks=[])
        bar_axes.invert_yaxis()
        bar_axes.spines[:].set_visible(False)
    figure.savefig(path)
