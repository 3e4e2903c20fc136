"""A differentiable estimate of the bits that latents take.

Each latent dimension gets a logistic distribution with its mean and deviation in the batch. The
published tables are the measured frequencies, which cannot cost more on average: the estimate is an
upper bound in expectation.
"""

import math

import torch
from torch import Tensor

_SCALE_PER_DEVIATION = math.sqrt(3) / math.pi
"""Scale of a logistic distribution of deviation 1."""
_MIN_DEVIATION = 0.1
"""Smallest deviation, in steps. A dimension that is always 0 costs nothing and would divide by
zero."""
_MIN_PROBABILITY = 2.0**-16
"""As in the published tables: no value costs more than the escape."""


def estimate_bits(latents_BDhw: Tensor, *, noisy: bool) -> Tensor:
    """Return the bits of each image (B,), for latents in steps of the quantizer.

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
