"""Before and after, side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["draw_restoration"]


def draw_restoration(rows: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> None:
    """A captioned row for each entry: pictures uint8 (N, H, W, C) side by side."""
    count, height, width, channels = rows[0][1].shape
    figure = Figure(
        figsize=(1.1 + 0.72 * count, 0.74 * height / width * len(rows)),
        dpi=110,
        layout="constrained",
    )
    for index, (caption, pictures) in enumerate(rows, start=1):
        axes = figure.add_subplot(len(rows), 1, index)
        strip = np.concatenate(list(pictures), axis=1)
        axes.imshow(strip[..., 0] if channels == 1 else strip, cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(caption, rotation=0, ha="right", va="center")
        for spine in axes.spines.values():
            spine.set_visible(False)
    figure.savefig(path)
