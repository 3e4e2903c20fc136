"""Rate and distortion of codecs: PSNR, a differentiable estimate of the bits, and BD-rate."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator
from torch import Tensor

_INTEGRATION_POINTS = 1000
_SCALE_PER_DEVIATION = math.sqrt(3) / math.pi
"""Scale of a logistic distribution of deviation 1."""
_MIN_DEVIATION = 0.1
"""Smallest deviation, in steps. A dimension that is always 0 costs nothing and would divide by
zero."""
_MIN_PROBABILITY = 2.0**-16
"""As in the published tables: no value costs more than the escape."""
_MIN_MSE = 1e-10
"""Squared error of a perfect copy, whose ratio would be infinite: 100 dB."""


class RatePoint(NamedTuple):
    """A codec at one quality."""

    rate: float
    """Mean bytes of a file, or bits per pixel."""
    psnr_db: float


RateCurve = Sequence[RatePoint | tuple[float, float]]
"""The points of several qualities, in any order; curves that are compared share their unit."""


def bd_rate(reference: RateCurve, tested: RateCurve) -> float:
    """Return the mean change of rate at equal PSNR, in percent: -30 means that `tested` saves 30 %.

    The mean is over the PSNR range that both curves cover (Bjøntegaard 2001, ITU-T VCEG-M33), with
    Akima interpolation in place of the cubic, which can oscillate between points (Herglotz et al.
    2022, arXiv 2202.12565).

    Raises:
        ValueError: the ranges do not overlap, or a curve has fewer than three points.
    """
    low = max(min(psnr for _, psnr in curve) for curve in (reference, tested))
    high = min(max(psnr for _, psnr in curve) for curve in (reference, tested))
    if not low < high:
        raise ValueError(
            f"the curves share no PSNR: one starts at {low:.2f}, one ends at {high:.2f}"
        )
    psnr_grid = np.linspace(low, high, _INTEGRATION_POINTS)
    change = np.trapezoid(
        _log_rate(tested, psnr_grid) - _log_rate(reference, psnr_grid), psnr_grid
    ) / (high - low)
    return float(100 * np.expm1(change))


def _log_rate(curve: RateCurve, psnr_db: NDArray[np.float64]) -> NDArray[np.float64]:
    best: dict[float, float] = {}
    for rate, psnr in curve:
        best[psnr] = min(rate, best.get(psnr, rate))
    if len(best) < 3:
        raise ValueError(f"a curve needs three points or more, not {len(best)}")
    points = sorted(best.items())
    interpolated = Akima1DInterpolator(
        [psnr for psnr, _ in points], [np.log(rate) for _, rate in points]
    )
    return np.asarray(interpolated(psnr_db))


def estimate_bits(latents_BDhw: Tensor, *, noisy: bool) -> Tensor:
    """Return the bits of each image (B,), for latents in steps of the quantizer.

    Each latent dimension gets a logistic distribution with its mean and deviation in the batch. The
    published tables are the measured frequencies, which cannot cost more on average: the estimate
    is an upper bound in expectation.

    With `noisy`, uniform noise replaces rounding. Its density at a point is the probability of the
    step around it (Ballé et al. 2017, arXiv 1611.01704, section 3), and it has a gradient.
    Otherwise the bits are those of the rounded latents.
    """
    latents = latents_BDhw.float()
    values = latents + torch.rand_like(latents) - 0.5 if noisy else latents.round()
    mean = values.mean((0, 2, 3), keepdim=True)
    deviation = values.std((0, 2, 3), keepdim=True).clamp_min(_MIN_DEVIATION)
    # Use the distance from the mean, so that both cumulatives are near 0 in a tail, where floats
    # resolve their difference, and not near 1.
    distance, scale = (values - mean).abs(), deviation * _SCALE_PER_DEVIATION
    upper = ((0.5 - distance) / scale).sigmoid()
    lower = ((-0.5 - distance) / scale).sigmoid()
    return -(upper - lower).clamp_min(_MIN_PROBABILITY).log2().flatten(1).sum(1)


def psnr_db(estimate_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image (N,) in dB, for values in 0–1."""
    mse_N = (estimate_NCHW - clean_NCHW).square().flatten(1).mean(1)
    return -10 * mse_N.clamp_min(_MIN_MSE).log10()


def image_psnr_db(estimate: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    """Return the ratio in dB of one image with values in 0–255."""
    mse = np.square((estimate.astype(np.float64) - clean) / 255).mean()
    return float(-10 * np.log10(max(mse, _MIN_MSE)))
