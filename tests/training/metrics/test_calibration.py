"""Reliability and temperature against hand calculation and torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from training.metrics.calibration import compute_reliability, cross_fit_temperature, fit_temperature


def test_the_error_is_the_one_that_torchmetrics_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (3 * torch.randn(500, 4, generator=generator)).softmax(1)
    labels = torch.randint(4, (500,), generator=generator)
    expected = multiclass_calibration_error(probabilities, labels, 4, n_bins=15)
    assert compute_reliability(probabilities, labels).expected_calibration_error == pytest.approx(
        float(expected), abs=1e-6
    )


def test_bins_hold_confidence_and_accuracy() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])
    found = compute_reliability(probabilities, torch.tensor([0, 1, 1, 1]), bins=5)
    assert found.share_S.tolist() == [0, 0, 0, 0.5, 0.5]
    assert found.accuracy_S[3:].tolist() == [1, 0.5]
    assert found.confidence_S[3:].tolist() == pytest.approx([0.7, 0.9])
    assert found.confidence_S[:3].isnan().all()
    assert found.expected_calibration_error == pytest.approx((0.3 + 0.4) / 2)


def _twice_too_sure(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return overconfident logits: right three times in four, but twice ln 3 apart."""
    logits = torch.tensor([[2 * math.log(3), 0.0]]).repeat(count, 1)
    return logits, (torch.arange(count) // 2 % 4 == 3).long()


def test_the_best_temperature_halves_logits_that_are_twice_too_large() -> None:
    assert fit_temperature(*_twice_too_sure(80)) == pytest.approx(2, rel=1e-4)


def test_cross_fitting_scales_each_half_by_the_other() -> None:
    logits, labels = _twice_too_sure(80)
    labels[::2] = 0  # the even half is always right: what suits it would make the odd half surer
    probabilities, _ = cross_fit_temperature(logits, labels)
    assert probabilities[::2, 0].tolist() == pytest.approx([0.75] * 40, abs=1e-4)
    assert (probabilities[1::2, 0] > 0.9).all()
