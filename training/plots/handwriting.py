"""Plots of drawings."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

from models_store.sampling.handwriting import Drawing, bezier_curves

_CELL_SIZE = 1.35
"""Width and height of a drawing's cell, in boxes."""


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
