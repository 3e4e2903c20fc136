"""UCI pen digits: digits written on a tablet by 44 people, 30 for training and 14 for testing.

Alimoglu and Alpaydin 1996, "Methods of combining multiple classifiers based on different
representations for pen-based handwritten digit recognition". A digit is 8 points at equal distances
along its path, stretched to 0 … 100 in both directions. The path continues through the air where
the pen was lifted, without a mark: a 5 of two strokes looks like a 6.

`lift` estimates where. In the digits that are written in two strokes, 4, 5 and 7, it is the step by
which the pen moves back up. The rules come from inspecting a few hundred of each digit, not from a
measurement.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from models_store.base import FrozenModel
from training.datasets.base import split_validation
from training.datasets.data_dir import data_dir
from training.datasets.strokes import (
    StrokeData,
    StrokeSplit,
    pad_drawings,
    strokes_to_moves,
)
from training.errors import DataError

_SOURCE = "https://archive.ics.uci.edu/dataset/81"
_NPZ_FILE, _TEXT_FILES = "pendigits_8pt.npz", {"train": "pendigits.tra", "test": "pendigits.tes"}
_POINTS_PER_DIGIT = 8

Digits = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Points (N, 8, 2) in 0 … 1, and labels (N,)."""


class PenDigits(FrozenModel):
    """7,494 digits for training and 3,498 by other writers for testing."""

    kind: Literal["pendigits"] = "pendigits"
    pen_lifts: bool = True
    """Lift the pen where `lift` estimates it; otherwise every digit is one stroke, as stored."""
    validation_size: NonNegativeInt = 0

    def load(self) -> StrokeData:
        """Raise DataError if the files are missing or hold something else."""
        folder = data_dir() / "strokes"
        train, test = (self._split(*_read(folder, part), part) for part in ("train", "test"))
        data = StrokeData(
            title="UCI pen digits",
            licence="CC BY 4.0",
            source=_SOURCE,
            labels=tuple("0123456789"),
            train=train,
            test=test,
            aspect=0.7,  # digits were stretched to squares; printed ones are narrower than high
            pen_lifts_leak_labels=self.pen_lifts,
        )
        return split_validation(data, self.validation_size)

    def _split(
        self, points_N82: NDArray[np.float64], labels_N: NDArray[np.int64], part: str
    ) -> StrokeSplit:
        labels = labels_N.tolist()
        if points_N82.shape[1:] != (_POINTS_PER_DIGIT, 2) or not set(labels) <= set(range(10)):
            raise DataError(f"the {part} set of {_SOURCE} needs 8 points and a digit in every row")
        drawings = []
        for points, label in zip(points_N82, labels, strict=True):
            lift_index = guess_pen_lift(points, label) if self.pen_lifts else None
            strokes = (
                [points]
                if lift_index is None
                else [points[: lift_index + 1], points[lift_index + 1 :]]
            )
            drawings.append(strokes_to_moves(strokes))
        return pad_drawings(drawings, labels)


def guess_pen_lift(points: NDArray[np.floating], digit: int) -> int | None:
    """Return the point, 0 … 6, after which the pen was probably lifted; None for one stroke.

    `points` are (8, 2) in 0 … 1, y up.
    """
    up = np.diff(points[:, 1])
    (start_x, _), (before_x, _), (end_x, end_y) = points[0], points[-2], points[-1]
    if digit == 5 and end_y > 0.7 and end_x > start_x:  # the roof was drawn last
        return 2 + int(np.argmax(up[2:6]))
    lowest = int(points[:, 1].argmin())
    # A bar through the stem was drawn last: after the foot, to the right, at medium height.
    if digit == 7 and 0.15 < end_y < 0.85 and end_x > before_x and lowest < 6:
        return lowest + int(np.argmax(up[lowest : lowest + 2]))
    if digit == 4 and end_y <= 0.4:  # the stem was drawn last
        index = 1 + int(np.argmax(up[1:6]))
        return index if up[index] > 0.12 else None
    return None


def _read(folder: Path, part: str) -> Digits:
    npz, text = folder / _NPZ_FILE, folder / _TEXT_FILES[part]
    try:
        if text.is_file():
            rows = np.loadtxt(text, delimiter=",", dtype=np.int64, ndmin=2)
            points, labels = rows[:, :-1].reshape(len(rows), -1, 2), rows[:, -1]
        elif npz.is_file():
            with npz.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                points, labels = archive[f"x_{part}"], archive[f"y_{part}"].astype(np.int64)
        else:
            raise DataError(
                f"UCI pen digits are missing: save {' and '.join(_TEXT_FILES.values())} from "
                f"{_SOURCE} in {folder} (DEEPSHELF_DATA names the data folder). "
                "data.kind=stroke-digits needs no file"
            )
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise DataError(f"the pen digits in {folder} cannot be read: {error}") from error
    return points / 100.0, labels
