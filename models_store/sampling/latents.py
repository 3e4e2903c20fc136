"""Latents from seeds, by one algorithm, so that a seed gives the same face on every machine.

The Box–Muller transform (1958) of the output of Philox 4x64-10 (Salmon et al. 2011) with the seed
as its key. Two words a and b give u = ((a >> 11) + 1) · 2^-53 in (0, 1] and v = (b >> 11) · 2^-53
in [0, 1), and these the standard normal numbers r cos 2πv and r sin 2πv with r = sqrt(-2 ln u).
Numpy's own `standard_normal` is not used: its algorithm may change between versions
(NEP 19); the words of a bit generator may not.
"""

import math

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

Latent = NDArray[np.float32]


def latent_from_seed(seed: int, size: int) -> Latent:
    """Return the latent (size,) of `seed`, a whole number from 0."""
    pairs = -(-size // 2)
    words = Philox(key=seed).random_raw(2 * pairs).reshape(pairs, 2) >> np.uint64(11)
    u = (words[:, 0].astype(np.float64) + 1) * 2.0**-53
    angle = 2 * math.pi * words[:, 1].astype(np.float64) * 2.0**-53
    radius = np.sqrt(-2 * np.log(u))
    numbers = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).ravel()[:size]
    rounded: Latent = numbers.astype(np.float32)
    return rounded


def truncate(latent: Latent, typical: Latent, truncation: float) -> Latent:
    """Return `latent` at truncation 1, `typical` at 0, otherwise a point on the arc between them.

    This is StyleGAN's truncation (Karras et al. 2019, arXiv 1812.04948, section B) along a sphere.
    Latents that are scaled down instead are unlike those of training: their faces are dark and
    damaged.
    """
    return latent if truncation == 1 else slerp(typical, latent, truncation)


def slerp(start: Latent, end: Latent, fraction: float) -> Latent:
    """Return the latent at `fraction`, 0 … 1, of the great circle from `start` to `end`.

    Spherical interpolation (White 2016, arXiv 1609.04468): normal vectors of many dimensions lie
    near a sphere, and a straight line between two leads through its middle, far from all training
    latents.
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / lengths if lengths else 1.0
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    if math.sin(angle) < 1e-6:  # the same direction, or the opposite one: no unique circle
        interpolated = (1 - fraction) * a + fraction * b
    else:
        interpolated = math.sin((1 - fraction) * angle) * a + math.sin(fraction * angle) * b
        interpolated /= math.sin(angle)
    rounded: Latent = interpolated.astype(np.float32)
    return rounded
