"""Drawings of a handwriting network, and predictions of a stroke reader while the pen moves.

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
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve
from torch import Tensor

from models_store.sampling.handwriting import Drawing, bezier_curves
from training.config.recipe import load_run_recipe
from training.datasets.strokes import StrokeSplit
from training.engine.trainer import restore
from training.errors import DataError
from training.plots.style import DOCUMENT_STYLE
from training.tasks.strokes import StrokeClassification

_CELL_SIZE = 1.35
"""Width and height of a drawing's cell, in boxes."""


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
        probability_axes.grid(visible=False)
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


def draw_digits(
    rows: Sequence[tuple[str, Sequence[Drawing]]], aspect: float, title: str, path: Path
) -> None:
    """Draw a captioned row for each entry; `aspect` is a box's width over its height."""
    columns = max(len(drawings) for _, drawings in rows)
    size = (1.0 + 0.62 * aspect * _CELL_SIZE * columns, 0.62 * _CELL_SIZE * len(rows) + 0.4)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    for index, (caption, drawings) in enumerate(rows, start=1):
        axes = figure.add_subplot(len(rows), 1, index)
        for column, drawing in enumerate(drawings):
            axes.add_patch(_drawing_patch(drawing, column * aspect * _CELL_SIZE, aspect))
        axes.set(xlim=(-0.15, columns * aspect * _CELL_SIZE), ylim=(-0.15, 1.15), aspect="equal")
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(caption, rotation=0, ha="right", va="center")
        for spine in axes.spines.values():
            spine.set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def _drawing_patch(drawing: Drawing, left: float, aspect: float) -> PathPatch:
    vertices: list[tuple[float, float]] = []
    codes: list[int] = []
    for stroke in drawing.strokes:
        for number, piece in enumerate(bezier_curves(stroke)):
            points = [(left + aspect * x, y) for x, y in piece.tolist()]
            vertices += points if number == 0 else points[1:]
            codes += [int(Curve.MOVETO)] * (number == 0) + [int(Curve.CURVE4)] * 3
    return PathPatch(Curve(vertices, codes), fill=False, linewidth=1.6, capstyle="round")
