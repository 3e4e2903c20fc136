"""Pen strokes: representation, sources, and the pen lifts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.datasets.pendigits import PenDigits, guess_pen_lift
from training.datasets.stroke_digits import StrokeDigits
from training.datasets.strokes import encode_moves, strokes_to_moves
from training.errors import DataError

# The first row of pendigits.tra, an 8, and a 5 of two strokes made up like one: down from the top
# left, around, through the air to the top left, and the roof.
EIGHT = "47,100, 27, 81, 57, 37, 26,  0,  0, 23, 56, 53,100, 90, 40, 98, 8"
FIVE = "15,100, 10, 65, 70, 60, 80, 20,  0,  0, 10, 60, 40,100,100,100, 5"


@pytest.fixture
def home(data_home: Path) -> Path:
    folder = data_home / "strokes"
    folder.mkdir()
    (folder / "pendigits.tra").write_text(f"{EIGHT}\n{FIVE}\n")
    (folder / "pendigits.tes").write_text(f"{FIVE}\n")
    return folder


def test_moves_lead_from_the_middle_of_the_box_along_the_strokes() -> None:
    strokes = [np.array([[0.0, 1.0], [0.25, 0.5]]), np.array([[1.0, 1.0]])]
    assert strokes_to_moves(strokes).tolist() == [[-0.5, 0.5, 0], [0.25, -0.5, 1], [0.75, 0.5, 2]]
    encoded = encode_moves(torch.from_numpy(strokes_to_moves(strokes)))
    assert encoded[1].tolist() == [0.25, -0.5, 0, 1, 0]


def test_ucis_own_files_are_read_and_lifts_are_guessed(home: Path) -> None:
    data = PenDigits().load()
    assert (len(data.train), len(data.test)) == (2, 1)
    assert data.train.labels_N.tolist() == [8, 5]
    assert data.train.lengths_N.tolist() == [8, 8]
    points = 0.5 + data.train.moves_NT3[0, :, :2].cumsum(0)
    np.testing.assert_allclose(points[:2], [[0.47, 1.0], [0.27, 0.81]], atol=1e-6)
    assert data.train.moves_NT3[..., 2].tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 2], [0, 0, 0, 0, 1, 0, 0, 2],
    ]  # fmt: skip
    plain = PenDigits(pen_lifts=False).load()
    assert set(plain.train.moves_NT3[..., 2].flatten().tolist()) == {0, 2}
    assert (data.pen_lifts_leak_labels, plain.pen_lifts_leak_labels) == (True, False)


def test_an_archive_gives_the_same(home: Path) -> None:
    first = PenDigits().load()
    rows = np.array([[int(n) for n in row.split(",")] for row in (EIGHT, FIVE)])
    points, labels = rows[:, :-1].reshape(-1, 8, 2).astype(np.uint8), rows[:, -1]
    np.savez(
        home / "pendigits_8pt.npz",
        x_train=points, y_train=labels, x_test=points[1:], y_test=labels[1:],
    )  # fmt: skip
    for name in ("pendigits.tra", "pendigits.tes"):
        (home / name).unlink()
    assert torch.equal(PenDigits().load().train.moves_NT3, first.train.moves_NT3)


def test_missing_and_foreign_files_are_errors(home: Path) -> None:
    for content, message in (("1,2,3\n", "8 points and a digit"), ("a,b\n", "cannot be read")):
        (home / "pendigits.tes").write_text(content)
        with pytest.raises(DataError, match=message):
            PenDigits().load()
    (home / "pendigits.tra").unlink()
    with pytest.raises(DataError, match=r"save pendigits\.tra and pendigits\.tes from https"):
        PenDigits().load()


def test_one_stroke_is_left_one() -> None:
    circle = 0.5 + 0.5 * np.stack([np.cos(np.arange(8)), np.sin(np.arange(8))], 1)
    assert [guess_pen_lift(circle, digit) for digit in (0, 1, 2, 3, 6, 8, 9)] == [None] * 7


def test_made_up_digits_are_the_same_every_time_and_stay_near_their_box() -> None:
    digits, again = (StrokeDigits(train_size=60, test_size=20).load() for _ in range(2))
    assert torch.equal(digits.train.moves_NT3, again.train.moves_NT3)
    assert not torch.equal(digits.train.moves_NT3[:20, :5], digits.test.moves_NT3[:20, :5])
    assert set(digits.train.labels_N.tolist()) == set(range(10))
    points = 0.5 + digits.train.moves_NT3[..., :2].cumsum(1)
    assert -0.6 < float(points.min()) < float(points.max()) < 1.6
    ends = digits.train.moves_NT3[torch.arange(60), digits.train.lengths_N - 1, 2]
    assert set(ends.tolist()) == {2}
    assert digits.to_data_source().n == 60


def test_some_can_be_held_out() -> None:
    data = StrokeDigits(train_size=60, test_size=20, validation_size=15).load()
    assert data.validation is not None
    assert (len(data.train), len(data.validation)) == (45, 15)
    with pytest.raises(DataError, match="has 60 training items"):
        StrokeDigits(train_size=60, validation_size=60).load()
