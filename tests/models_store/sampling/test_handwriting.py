"""Drawing from mixtures: the equations of Graves 2013, and what does not depend on chance."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.onnx.runtime import load_graph_fn
from models_store.sampling.handwriting import Drawing, bezier_curves, sample_drawings
from models_store.tasks import HandwritingGeneration, RecurrentState
from models_store.verify import GraphFn
from tests.fakes.handwriting import STEP, StraightLineModel

Array = NDArray[np.generic]


def _ruler(path: Path, **fields: float) -> tuple[GraphFn, HandwritingGeneration]:
    model = StraightLineModel(**fields)  # type: ignore[arg-type]  # one of them is an int
    (path / "step.onnx").write_bytes(model.model_proto().SerializeToString())
    return load_graph_fn(path / "step.onnx"), model.task


def _always(mixture: list[float], moves: int = 1) -> tuple[GraphFn, HandwritingGeneration]:
    """Return a network whose outputs do not depend on its inputs."""

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        row = np.array(mixture, np.float32)
        return {"mixture": np.tile(row, (len(inputs["moves"]), 1, 1)), "next_h": inputs["h"]}

    components = (len(mixture) - 3) // 6
    states = (RecurrentState(name="h", next="next_h", layers=1, width=1),)
    task = HandwritingGeneration(symbols="a", components=components, max_moves=moves, states=states)
    return run, task


def _points(drawings: list[Drawing]) -> NDArray[np.float64]:
    return np.stack([drawing.strokes[0][0] for drawing in drawings]) - 0.5


def test_a_drawing_is_the_sum_of_its_moves_from_the_middle_of_the_box(tmp_path: Path) -> None:
    run, task = _ruler(tmp_path)
    first, second = sample_drawings(run, task, "01", seed=0, bias=0.0)
    assert (first.symbol, second.symbol) == ("0", "1")
    way = 0.5 + STEP * np.arange(1, 5)
    for drawing, axis in ((first, 0), (second, 1)):
        (stroke,) = drawing.strokes
        np.testing.assert_allclose(stroke[:, axis], way, atol=1e-6)
        np.testing.assert_allclose(stroke[:, 1 - axis], 0.5, atol=1e-6)


def test_endless_drawing_is_truncated(tmp_path: Path) -> None:
    run, task = _ruler(tmp_path, end_after=0)
    (drawing,) = sample_drawings(run, task, "0", seed=0, bias=0.0)
    assert [len(stroke) for stroke in drawing.strokes] == [task.max_moves]


def test_the_pen_is_lifted_between_strokes() -> None:
    run, task = _always([0, 0.1, 0, -9, -9, 0, -99, 99, -99], moves=3)
    (drawing,) = sample_drawings(run, task, "a", seed=0, bias=0.0)
    assert [len(stroke) for stroke in drawing.strokes] == [1, 1, 1]


def test_digit_depends_on_the_seed_and_its_position(tmp_path: Path) -> None:
    run, task = _ruler(tmp_path, log_deviation=-1.0)
    one, again, other = (
        sample_drawings(run, task, "000", seed=seed, bias=0.0) for seed in (5, 5, 6)
    )
    for first, second, third in zip(one, again, other, strict=True):
        np.testing.assert_array_equal(first.strokes[0], second.strokes[0])
        assert not np.array_equal(first.strokes[0], third.strokes[0])
    assert not np.array_equal(one[0].strokes[0], one[1].strokes[0])
    longer = sample_drawings(run, task, "0000", seed=5, bias=0.0)
    np.testing.assert_array_equal(longer[0].strokes[0], one[0].strokes[0])


def test_moves_have_the_moments_of_the_mixture() -> None:
    run, task = _always([0.0, 0.2, -0.3, np.log(0.05), np.log(0.1), np.arctanh(0.6), 0, 0, 9])
    points = _points(sample_drawings(run, task, "a" * 20_000, seed=1, bias=0.0))
    np.testing.assert_allclose(points.mean(0), [0.2, -0.3], atol=0.003)
    np.testing.assert_allclose(points.std(0), [0.05, 0.1], rtol=0.02)
    assert np.asarray(np.corrcoef(points.T))[0, 1] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_the_bias_sharpens_weights_and_deviations(bias: float) -> None:
    """Equations 61 and 62: weights to the power 1 + b, deviations times exp(-b)."""
    run, task = _always([1, 0, -1, 1, 0, 0, *[np.log(0.1)] * 4, 0, 0, 0, 0, 9])
    points = _points(sample_drawings(run, task, "a" * 20_000, seed=2, bias=bias))
    left = points[:, 0] < 0
    share = np.exp(1 + bias) / (np.exp(1 + bias) + 1)
    assert left.mean() == pytest.approx(share, abs=0.01)
    assert points[left, 0].std() == pytest.approx(0.1 * np.exp(-bias), rel=0.03)


def test_curves_pass_through_every_point_along_the_line_between_its_neighbours() -> None:
    points = np.array([[0, 0], [1, 2], [3, 1], [4, 4.0]])
    pieces = bezier_curves(points)
    assert pieces.shape == (3, 4, 2)
    np.testing.assert_array_equal(pieces[:, 0], points[:-1])
    np.testing.assert_array_equal(pieces[:, 3], points[1:])
    np.testing.assert_allclose(6 * (pieces[1, 1] - pieces[1, 0]), points[2] - points[0])
    np.testing.assert_allclose(pieces[1, 1] - pieces[1, 0], pieces[0, 3] - pieces[0, 2])


def test_a_dot_is_a_curve_too() -> None:
    assert bezier_curves([[1.0, 2.0]]).tolist() == [[[1.0, 2.0]] * 4]
