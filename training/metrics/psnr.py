"""Peak signal-to-noise ratio.

The ratio of a perfect copy would be infinite: the squared error is floored at 1e-10 (100 dB).
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_MIN_MSE = 1e-10


def psnr_db(estimate_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image (N,) in dB, for values in 0–1."""
    mse_N = (estimate_NCHW - clean_NCHW).square().flatten(1).mean(1)
    return -10 * mse_N.clamp_min(_MIN_MSE).log10()


def image_psnr_db(estimate: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    """Return the ratio in dB of one image with values in 0–255."""
    mse = np.square((estimate.astype(np.float64) - clean) / 255).mean()
    return float(-10 * np.log10(max(mse, _MIN_MSE)))
