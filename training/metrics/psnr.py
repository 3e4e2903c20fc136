"""Peak signal-to-noise ratio."""

from torch import Tensor

__all__ = ["psnr_db"]


def psnr_db(estimate_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image (N,) in dB, for values in 0–1.

    The ratio of a perfect copy would be infinite: the squared error is floored at 1e-10 (100 dB).
    """
    mse_N = (estimate_NCHW - clean_NCHW).square().flatten(1).mean(1)
    return -10 * mse_N.clamp_min(1e-10).log10()
