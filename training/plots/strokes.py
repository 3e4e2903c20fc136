"""What a reader of pen strokes believes while the pen moves.

Shapes: B drawings, T moves, K classes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from torch import Tensor

from training.config.recipe import load
from training.datasets.strokes import StrokeSplit
from training.engine.trainer import restore
from training.errors import DataError
from training.tasks.strokes import Strokes

__all__ = ["draw_beliefs", "draw_run"]


def draw_run(run: Path, path: Path) -> str:
    """A test drawing of each class with the beliefs of a run's network; returns its accuracy.

    Raises:
        DataError: when the run is of another task.
    """
    task = restore(load(str(run / "recipe.yaml")), run).task
    if not isinstance(task, Strokes):
        raise DataError(f"{run} is no run of the task strokes")
    test = task.split("test")
    firsts = [
        int((test.labels_N == label).nonzero()[0]) for label in sorted(set(test.labels_N.tolist()))
    ]
    shown = test.take(torch.tensor(firsts))
    accuracy = task.evaluate("test")["accuracy"]
    said = f"{task.data.title}, test: {accuracy:.2%} of {len(test):,} read rightly"
    draw_beliefs(shown, task.beliefs(shown), task.data.labels, said, path)
    return said


def draw_beliefs(
    split: StrokeSplit, beliefs_BTK: Tensor, labels: Sequence[str], title: str, path: Path
) -> None:
    """Above, the pen's path, from light to dark; below, the probability of each class by move."""
    count = len(split)
    figure = Figure(figsize=(1.05 * count + 0.6, 3.9), dpi=110, layout="constrained")
    grid = GridSpec(2, count, figure, height_ratios=[1, 1.7])
    for column in range(count):
        length = int(split.lengths_N[column])
        moves_T3 = split.moves_NT3[column, :length].numpy()
        pen = figure.add_subplot(grid[0, column])
        _draw_path(pen, moves_T3)
        belief = figure.add_subplot(grid[1, column])
        image_KT = beliefs_BTK[column, :length].numpy().T
        belief.imshow(image_KT, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower")
        right = int(split.labels_N[column])
        belief.axhspan(right - 0.5, right + 0.5, fill=False, edgecolor="tab:orange")
        belief.set_xlabel("move", fontsize=8)
        belief.set_xticks([0, length - 1], ["1", str(length)], fontsize=8)
        belief.set_yticks(range(len(labels)), labels if column == 0 else [""] * len(labels))
    figure.suptitle(f"{title}\nprobability of each digit after every move; framed: the right one")
    figure.savefig(path)


def _draw_path(axes: Axes, moves_T3: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    points = 0.5 + moves_T3[:, :2].cumsum(0)
    segments = np.stack([points[:-1], points[1:]], 1)[moves_T3[:-1, 2] == 0]
    time = np.flatnonzero(moves_T3[:-1, 2] == 0) / max(1, len(points) - 2)
    lines = LineCollection(list(segments), cmap="copper_r", linewidths=2, capstyle="round")
    lines.set_array(0.25 + 0.75 * time)
    lines.set_clim(0, 1)
    axes.add_collection(lines)
    axes.plot(*points[:1].T, marker="o", markersize=3, color="tab:orange")
    axes.set(xlim=(-0.15, 1.15), ylim=(-0.15, 1.15), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
