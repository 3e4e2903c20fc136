import numpy as np
import pytest

from training.metrics.rate_distortion import bd_rate

CURVE = [(0.1, 28.0), (0.25, 31.0), (0.5, 33.5), (1.0, 36.4), (2.0, 40.0)]


def test_a_codec_that_always_needs_a_third_less_saves_a_third() -> None:
    fewer = [(rate * 2 / 3, psnr) for rate, psnr in CURVE]
    assert bd_rate(CURVE, fewer) == pytest.approx(-100 / 3)
    assert bd_rate(fewer, CURVE) == pytest.approx(50)
    assert bd_rate(CURVE, CURVE[::-1]) == pytest.approx(0)


def test_straight_lines_by_hand() -> None:
    """log2 of the rates apart by 0 at 30 dB and by 1 at 40 dB, so by 1/2 on average."""
    reference = [(2 ** ((psnr - 30) / 5), psnr) for psnr in (30.0, 33.0, 36.0, 40.0)]
    tested = [(2 ** ((psnr - 30) / 10), psnr) for psnr in (30.0, 32.0, 37.0, 40.0)]
    assert bd_rate(reference, tested) == pytest.approx(100 * (np.sqrt(0.5) - 1))


def test_only_what_both_reach_counts() -> None:
    with pytest.raises(ValueError, match="share no PSNR"):
        bd_rate(CURVE, [(rate, psnr + 20) for rate, psnr in CURVE])
    with pytest.raises(ValueError, match="three points"):
        bd_rate(CURVE, [(0.1, 28.0), (0.2, 30.0)])
