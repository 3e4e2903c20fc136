"""The latent of a seed: one algorithm, so that a seed means the same face on every machine.

Z standard normal numbers by Box and Muller (1958) from the words of Philox 4x64-10 (Salmon et al.
2011) whose key is the seed. Of two words each, a and b, u = (a >> 11) + 1 and v = b >> 11, both
times 2^-53, so that u is in (0, 1] and v in [0, 1): r = sqrt(-2 ln u) gives r cos 2πv and
r sin 2πv. Numpy's own `standard_normal` is not used: its algorithm may change between versions
(NEP 19); the words of a bit generator may not.
"""

import math

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

Latent = NDArray[np.float32]


def latent_from_seed(seed: int, size: int) -> Latent:
    """The latent (size,) of `seed`, which is 0 or more."""
    pairs = -(-size // 2)
    words = Philox(key=seed).random_raw(2 * pairs).reshape(pairs, 2) >> np.uint64(11)
    u = (words[:, 0].astype(np.float64) + 1) * 2.0**-53
    angle = 2 * math.pi * words[:, 1].astype(np.float64) * 2.0**-53
    radius = np.sqrt(-2 * np.log(u))
    numbers = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).ravel()[:size]
    rounded: Latent = numbers.astype(np.float32)
    return rounded


def truncate(latent: Latent, typical: Latent, truncation: float) -> Latent:
    """`latent` at 1, `typical` at 0, and in between on the circle between them.

    Truncation as StyleGAN's (Karras et al. 2019, arXiv 1812.04948, section B), but along the
    sphere: a latent that is only scaled down leaves it, and a generator that never saw such a one
    draws dark, damaged faces.
    """
    return latent if truncation == 1 else slerp(typical, latent, truncation)


def slerp(start: Latent, end: Latent, fraction: float) -> Latent:
    """Return the latent at `fraction`, 0 … 1, of the great circle from `start` to `end`.

    Spherical interpolation (White 2016, arXiv 1609.04468): normal numbers of many dimensions lie
    near a sphere, and the straight way leads through its middle, where no training latent was.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / lengths if lengths else 1.0
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:  # the same direction, or the opposite one: no circle is the one
        interpolated = (1 - fraction) * a + fraction * b
    else:
        interpolated = math.sin((1 - fraction) * angle) * a + math.sin(fraction * angle) * b
        interpolated /= math.sin(angle)
    rounded: Latent = interpolated.astype(np.float32)
    return rounded
