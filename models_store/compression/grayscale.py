"""Grey images through graphs that take colour, and back: what is measured and what is served.

Shapes: H height, W width, three channels.
"""

import numpy as np
from numpy.typing import NDArray


def is_grayscale(image_HW3: NDArray[np.uint8]) -> bool:
    """Return True if all three channels are equal at every pixel."""
    red_HW, green_HW, blue_HW = (image_HW3[..., channel] for channel in range(3))
    return np.array_equal(red_HW, green_HW) and np.array_equal(red_HW, blue_HW)


def mean_channel(image_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean of the channels (H, W, 1), rounded to the nearest level."""
    sum_HW = image_HW3[..., 0].astype(np.uint16)  # faster than a sum over the last axis
    sum_HW += image_HW3[..., 1]
    sum_HW += image_HW3[..., 2]
    return ((sum_HW + 1) // 3).astype(np.uint8)[..., np.newaxis]
