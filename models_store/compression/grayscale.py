"""Grey images through graphs that take colour, and back: what is measured and what is served.

Shapes: H height, W width, three channels.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_grayscale", "mean_channel"]


def is_grayscale(image_HW3: NDArray[np.uint8]) -> bool:
    """Return True if all three channels are equal at every pixel."""
    red_HW, green_HW, blue_HW = (image_HW3[..., channel] for channel in range(3))
    return np.array_equal(red_HW, green_HW) and np.array_equal(red_HW, blue_HW)


def mean_channel(image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 1): the mean of the channels, rounded to the nearest level; in whole numbers."""
    sum_HW: NDArray[np.uint16] = image_HW3.sum(axis=2, dtype=np.uint16)
    return ((sum_HW + 1) // 3).astype(np.uint8)[..., np.newaxis]
