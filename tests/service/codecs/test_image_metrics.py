import math

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from service.codecs.image_metrics import psnr_db, ssim

# More rows than one band of the filter.
CLEAN = np.ascontiguousarray(astronaut()[:300, :120])  # type: ignore[no-untyped-call]
NOISE = np.random.default_rng(0).normal(0, 20, CLEAN.shape)
NOISY = np.clip(CLEAN + NOISE, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_that_of_scikit_image(channels: int) -> None:
    clean, noisy = CLEAN[..., :channels], NOISY[..., :channels]
    expected = peak_signal_noise_ratio(clean, noisy, data_range=255)  # type: ignore[no-untyped-call]
    assert psnr_db(noisy, clean) == pytest.approx(expected)


def test_psnr_of_a_difference_of_one_level_everywhere_is_20_log10_255() -> None:
    flat = np.full((5, 4, 1), 100, np.uint8)
    assert psnr_db(flat + 1, flat) == pytest.approx(20 * math.log10(255))


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr_db(CLEAN, CLEAN) == math.inf


@pytest.mark.parametrize("rows", [11, 12, 266, 267, 300])
def test_ssim_is_that_of_scikit_image_with_the_papers_window(rows: int) -> None:
    clean, noisy = CLEAN[:rows], NOISY[:rows]
    expected = structural_similarity(  # type: ignore[no-untyped-call]
        clean, noisy, data_range=255, channel_axis=2,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert ssim(noisy, clean) == pytest.approx(expected, rel=1e-9)


def test_ssim_of_equal_images_is_one() -> None:
    assert ssim(CLEAN, CLEAN) == pytest.approx(1)


def test_ssim_is_not_defined_where_the_window_does_not_fit() -> None:
    assert ssim(CLEAN[:10], CLEAN[:10]) is None
