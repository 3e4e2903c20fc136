"""How many bits latents will take, as something that has a gradient.

Each latent dimension gets a logistic distribution, with the mean and the deviation that it has in
the batch. The published tables are the frequencies themselves, which cannot cost more on average:
the estimate errs on the side of too many bits.
"""

import math

import torch
from torch import Tensor

__all__ = ["estimate_bits"]

_SCALE_PER_DEVIATION = math.sqrt(3) / math.pi
"""Scale of a logistic distribution of deviation 1."""
_MIN_DEVIATION = 0.1
"""In steps. A dimension that never leaves 0 is free anyhow, and must not divide by zero."""
_MIN_PROBABILITY = 2.0**-16
"""As in the published tables: beyond it, no value costs more than the escape."""


def estimate_bits(latents_BDhw: Tensor, *, noisy: bool) -> Tensor:
    """Bits of each image (B,), for latents in steps of the quantiser.

    With `noisy`, of latents with uniform noise in place of rounding, whose density at a point is
    the probability of the step around it (Ballé et al. 2017, arXiv 1611.01704, section 3): it
    has a gradient. Otherwise, of the rounded latents.
    """
    latents = latents_BDhw.float()
    values = latents + torch.rand_like(latents) - 0.5 if noisy else latents.round()
    mean = values.mean((0, 2, 3), keepdim=True)
    deviation = values.std((0, 2, 3), keepdim=True).clamp_min(_MIN_DEVIATION)
    # The distance from the mean alone: in a tail both cumulatives are then near 0, where a float
    # still tells them apart, and not near 1.
    distance, scale = (values - mean).abs(), deviation * _SCALE_PER_DEVIATION
    upper = ((0.5 - distance) / scale).sigmoid()
    lower = ((-0.5 - distance) / scale).sigmoid()
    return -(upper - lower).clamp_min(_MIN_PROBABILITY).log2().flatten(1).sum(1)
