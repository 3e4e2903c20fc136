import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Generator

from training.datasets.noise import Noise
from training.metrics.rate_distortion import psnr_db


def _noise(mean: float = 0.0, std: float = 0.5, std_from: float | None = None) -> Noise:
    return Noise(name="noise", label="noise", mean=mean, std=std, std_from=std_from)


def test_the_courses_noise_greys_a_black_image() -> None:
    noisy = _noise(mean=0.5, std=0.1)(torch.zeros(4, 1, 100, 100), Generator().manual_seed(0))
    # Clipping lies five deviations away.
    assert noisy.mean().item() == pytest.approx(0.5, abs=2e-3)
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02)


def test_the_courses_noise_saturates_a_white_image() -> None:
    noisy = _noise(mean=0.5, std=0.1)(torch.ones(1, 1, 100, 100), Generator().manual_seed(0))
    assert (noisy == 1).float().mean().item() > 0.999


def test_strong_noise_on_black_has_the_error_of_a_clipped_gaussian() -> None:
    noisy = _noise(std=0.5)(torch.zeros(10, 1, 200, 200), Generator().manual_seed(0))
    # By hand, for z ~ N(0, 1): the lower half is clipped to no error at all, values beyond two
    # deviations to 1; between, 0.25 E[z²; 0 < z < 2] = 0.25 (Φ(2) - Φ(0) - 2 φ(2)).
    upper = 0.5 * math.erfc(2 / math.sqrt(2))
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    expected = 0.25 * (0.5 - upper - 2 * density) + upper
    assert expected == pytest.approx(0.1151, abs=1e-4)
    assert noisy.square().mean().item() == pytest.approx(expected, rel=0.01)
    assert psnr_db(noisy, torch.zeros_like(noisy)).mean().item() == pytest.approx(9.39, abs=0.05)


def test_noise_stays_within_an_images_range() -> None:
    noisy = _noise(std=2.0)(torch.full((1, 1, 50, 50), 0.5), Generator().manual_seed(0))
    assert (noisy.min().item(), noisy.max().item()) == (0, 1)


def test_each_image_has_a_deviation_of_its_own_where_it_is_blind() -> None:
    clean = torch.full((200, 1, 40, 40), 0.5)
    noisy = _noise(std=0.1, std_from=0.02)(clean, Generator().manual_seed(0))
    deviations = (noisy - clean).flatten(1).std(1)
    assert deviations.min().item() == pytest.approx(0.02, abs=0.004)
    assert deviations.max().item() == pytest.approx(0.1, abs=0.006)
    assert deviations.mean().item() == pytest.approx(0.06, abs=0.005)


def test_noise_is_a_function_of_its_generator() -> None:
    clean = torch.full((2, 1, 8, 8), 0.5)
    first, again, other = (_noise()(clean, Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_psnr_of_a_hundredth_is_twenty_decibels() -> None:
    clean = torch.full((2, 1, 4, 4), 0.5)
    estimate = clean.clone()
    estimate[0] += 0.1
    estimate[1] -= 0.01
    torch.testing.assert_close(psnr_db(estimate, clean), torch.tensor([20.0, 40.0]))


def test_psnr_of_a_perfect_copy_is_a_hundred_decibels() -> None:
    clean = torch.rand(3, 1, 4, 4)
    assert psnr_db(clean, clean).tolist() == [100, 100, 100]


def test_psnr_is_that_of_scikit_image() -> None:
    rng = np.random.default_rng(0)
    clean, estimate = rng.random((2, 5, 3, 16, 16)).astype(np.float32)
    theirs = [
        peak_signal_noise_ratio(a, b, data_range=1)  # type: ignore[no-untyped-call]
        for a, b in zip(clean, estimate, strict=True)
    ]
    ours = psnr_db(torch.from_numpy(estimate), torch.from_numpy(clean))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5)
