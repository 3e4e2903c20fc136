import pytest
import torch
from torch import Generator, Tensor

from training.errors import DataError
from training.metrics.distribution_distance import (
    frechet_distance,
    kernel_distance,
    precision_recall,
)


def _normal(count: int, seed: int, dimensions: int = 4) -> Tensor:
    return torch.randn(count, dimensions, generator=Generator().manual_seed(seed))


def _whitened(features_ND: Tensor) -> Tensor:
    """Return features with mean zero and covariance one, exactly."""
    centred = (features_ND - features_ND.mean(0)).double()
    white: Tensor = centred @ torch.linalg.inv(torch.linalg.cholesky(centred.T.cov())).T
    return white


def test_frechet_equals_the_formula_for_known_means_and_covariances() -> None:
    base = _whitened(_normal(500, 0))
    shift = torch.tensor([3.0, 0, 4, 0])
    assert frechet_distance(base, base) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(base, base + shift) == pytest.approx(25)  # |shift|²
    # 4 dimensions, each (3 - 1)²; covariances commute, so the root is of each alone
    assert frechet_distance(base, 3 * base) == pytest.approx(16)


def test_kernel_is_about_zero_for_one_distribution_and_large_for_two() -> None:
    # Of 300 each the estimate itself spreads by some hundredths.
    assert kernel_distance(_normal(300, 0), _normal(300, 1)) == pytest.approx(0, abs=0.15)
    assert kernel_distance(_normal(300, 0), _normal(300, 1) + 2) > 1


def test_kernel_is_the_unbiased_estimate_of_the_paper() -> None:
    # x = ±1, y = ±2, one dimension: k(x, y) = (xy + 1)³, diagonals left out. The means are
    # k(1, -1) = 0, k(2, -2) = -27, and of the cross terms (27 - 1 - 1 + 27) / 4 = 13.
    real, drawn = torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [-2.0]])
    four, other = (torch.cat((part, part)) for part in (real, drawn))
    # Each is there twice: of 12 ordered pairs 4 are of equal ones, k(1, 1) = 8, k(2, 2) = 125.
    assert kernel_distance(four, other) == pytest.approx(32 / 12 + 284 / 12 - 26)


def test_precision_and_recall_separate_quality_from_variety() -> None:
    real = torch.cat((_normal(200, 0), _normal(200, 1) + 50))
    one_mode = precision_recall(real, _normal(200, 2))
    assert one_mode.precision > 0.9
    assert one_mode.recall == pytest.approx(0.5, abs=0.05)
    nonsense = precision_recall(real, torch.cat((_normal(200, 3), _normal(200, 4) - 50)))
    assert nonsense.precision == pytest.approx(0.5, abs=0.05)
    assert precision_recall(real, real) == (1, 1)


def test_too_few_images_are_rejected() -> None:
    for distance in (frechet_distance, kernel_distance, precision_recall):
        with pytest.raises(DataError, match="3 images are too few"):
            distance(_normal(3, 0), _normal(9, 1))
