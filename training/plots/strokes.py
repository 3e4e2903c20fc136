"""Predictions of a stroke reader while the pen moves.

Shapes: B drawings, T moves, K classes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from torch import Tensor

from training.config.recipe import load_run_recipe
from training.datasets.strokes import StrokeSplit
from training.engine.trainer import restore
from training.errors import DataError
from training.plots.style import DOCUMENT_STYLE
from training.tasks.strokes import StrokeClassification


def draw_run_examples(run: Path, path: Path) -> str:
    """Draw a test drawing of each class with a run's predictions and return the test accuracy.

    Raises:
        DataError: the run is of another task.
    """
    task = restore(load_run_recipe(run), run).task
    if not isinstance(task, StrokeClassification):
        raise DataError(f"{run} is not a run of the task strokes")
    test = task.split("test")
    first_indices = [
        int((test.labels_N == label).nonzero()[0]) for label in sorted(set(test.labels_N.tolist()))
    ]
    examples = test.subset(torch.tensor(first_indices))
    accuracy = task.evaluate("test")["accuracy"]
    summary = f"{task.data.title}, test: {accuracy:.2%} of {len(test):,} classified correctly"
    draw_class_probabilities(
        examples, task.class_probabilities(examples), task.data.labels, summary, path
    )
    return summary


@rc_context(DOCUMENT_STYLE)
def draw_class_probabilities(
    split: StrokeSplit, probabilities_BTK: Tensor, labels: Sequence[str], title: str, path: Path
) -> None:
    """Draw each pen's path, from light to dark, above the class probabilities by move."""
    count = len(split)
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    grid = GridSpec(2, count, figure, height_ratios=[1, 1.7])
    for column in range(count):
        length = int(split.lengths_N[column])
        moves_T3 = split.moves_NT3[column, :length].numpy()
        path_axes = figure.add_subplot(grid[0, column])
        _draw_path(path_axes, moves_T3)
        probability_axes = figure.add_subplot(grid[1, column])
        image_KT = probabilities_BTK[column, :length].numpy().T
        probability_axes.imshow(
            image_KT, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower"
        )
        label = int(split.labels_N[column])
        probability_axes.axhspan(label - 0.5, label + 0.5, fill=False, edgecolor="tab:orange")
        probability_axes.set_xlabel("move")
        probability_axes.set_xticks([0, length - 1], ["1", str(length)])
        probability_axes.set_yticks(
            range(len(labels)), labels if column == 0 else [""] * len(labels)
        )
    figure.suptitle(
        f"{title}\nprobability of each digit after every move; the frame marks the true class"
    )
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
