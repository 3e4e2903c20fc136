"""Handwriting as pen movements.

A move is a point of Graves 2013 (arXiv 1308.0850, section 4): the offset of the pen, and its state
after the move. The first move of a drawing leads from the middle of its box to where the pen is put
down. The box is 1 × 1, y up.

Shapes: N drawings, T moves of the longest, B batch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models_store.sampling.handwriting import END, LIFT, Pen
from training.datasets.base import DataSet, DataSplit


@dataclass(frozen=True)
class StrokeSplit(DataSplit):
    """`moves_NT3` float32 holds dx, dy and the pen state after the move; zeros behind the end."""

    moves_NT3: Tensor
    lengths_N: Tensor
    """Number of moves of each drawing, int64."""
    labels_N: Tensor

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(self.moves_NT3.numpy().tobytes())
        digest.update(self.labels_N.numpy().tobytes())
        return digest.hexdigest()

    @property
    def mask_NT(self) -> Tensor:
        """True where there is a move."""
        return torch.arange(self.moves_NT3.shape[1]) < self.lengths_N[:, None]


@dataclass(frozen=True, kw_only=True)
class StrokeData(DataSet[StrokeSplit]):
    """Drawings and their classes."""

    labels: tuple[str, ...]
    aspect: float = 1.0
    """Width of the box over its height, for plots."""
    pen_lifts_leak_labels: bool = False
    """The pen lifts were estimated from the labels, so no model may learn labels from them."""


def strokes_to_moves(strokes: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Return the moves (T, 3) of a drawing given as strokes, each its points (P, 2) in the box."""
    points = np.concatenate(strokes)
    pens = np.zeros(len(points), np.float32)
    pens[np.cumsum([len(stroke) for stroke in strokes]) - 1] = LIFT
    pens[-1] = END
    steps = np.diff(points, axis=0, prepend=np.full((1, 2), 0.5))
    return np.concatenate([steps, pens[:, None]], 1).astype(np.float32)


def resample_path(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return `count` points at equal distances along the path through `points` (P, 2)."""
    lengths = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    positions = np.linspace(0, lengths[-1], count)
    return np.stack([np.interp(positions, lengths, axis) for axis in points.T], 1)


def pad_drawings(drawings: Sequence[NDArray[np.float32]], labels: Sequence[int]) -> StrokeSplit:
    """Return a split of drawings, each given as its moves (T, 3)."""
    longest = max(map(len, drawings))
    moves = np.zeros((len(drawings), longest, 3), np.float32)
    for row, drawing in zip(moves, drawings, strict=True):
        row[: len(drawing)] = drawing
    return StrokeSplit(
        torch.from_numpy(moves),
        torch.tensor([len(drawing) for drawing in drawings]),
        torch.tensor(list(labels), dtype=torch.int64),
    )


def encode_moves(moves_BT3: Tensor) -> Tensor:
    """Return a network's input (B, T, 5): dx, dy, and the pen state as one of three."""
    pens_BT3 = functional.one_hot(moves_BT3[..., 2].long(), len(Pen)).to(moves_BT3.dtype)
    return torch.cat([moves_BT3[..., :2], pens_BT3], -1)
