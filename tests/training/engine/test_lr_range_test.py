import math

import pytest

from tests.training.tiny import DENOISING, recipe
from training.engine.lr_range_test import LrRangeTestResult, run_lr_range_test, smooth_losses
from training.errors import DivergenceError
from training.plots.schedules import draw_range_test


def test_rate_grows_exponentially_until_the_loss_diverges() -> None:
    test = run_lr_range_test(recipe(), min_lr=1e-4, max_lr=1e4, steps=40)
    assert test.losses[-1] > 2 * min(test.losses)
    ratios = [after / before for before, after in zip(test.rates, test.rates[1:], strict=False)]
    assert ratios == pytest.approx([1e8 ** (1 / 39)] * len(ratios))
    assert test.rates[0] == pytest.approx(1e-4)
    assert test.recipe_rate == pytest.approx(0.1)
    assert test.steepest_rate <= test.lowest_loss_rate < test.rates[-1]


def test_any_task_can_be_tested_and_its_own_schedule_does_not_matter(tmp_path) -> None:  # type: ignore[no-untyped-def]
    test = run_lr_range_test(recipe(**DENOISING), max_lr=1.0, steps=12)
    assert len(test.rates) == 12 > recipe().epochs
    draw_range_test(test, "a title", tmp_path / "test.png")
    assert (tmp_path / "test.png").stat().st_size > 1000


def test_range_test_from_too_high_a_rate_is_an_error() -> None:
    with pytest.raises(DivergenceError, match=r"start the range test at a rate below 1e\+04"):
        run_lr_range_test(recipe(), min_lr=1e4, max_lr=1e9, steps=30)


def test_smoothing_of_a_constant_is_the_constant() -> None:
    assert smooth_losses([3.0] * 5) == pytest.approx([3.0] * 5)


def test_the_suggestions_of_a_loss_drawn_by_hand() -> None:
    rates = [10.0**e for e in range(-4, 3)]
    losses = [2.0, 2.0, 1.9, 0.9, 0.8, 1.0, 9.0]
    test = LrRangeTestResult(rates, losses, 0.1)
    assert test.steepest_rate == pytest.approx(0.1)
    assert math.isclose(test.lowest_loss_rate, 10.0)  # the running average comes after
