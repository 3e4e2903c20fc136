"""BD-rate: the mean difference in bytes between two codecs at equal quality.

Bjøntegaard 2001 (ITU-T VCEG-M33), with Akima interpolation in place of the cubic, which can
oscillate between points (Herglotz et al. 2022, arXiv 2202.12565).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator

_INTEGRATION_POINTS = 1000


class RatePoint(NamedTuple):
    """A codec at one quality."""

    rate: float
    """Mean bytes of a file, or bits per pixel."""
    psnr_db: float


RateCurve = Sequence[RatePoint | tuple[float, float]]
"""The points of several qualities, in any order; curves that are compared share their unit."""


def bd_rate(reference: RateCurve, tested: RateCurve) -> float:
    """Return the mean change of rate at equal PSNR, in percent: -30 means that `tested` saves 30 %.

    The mean is over the PSNR range that both curves cover.

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
