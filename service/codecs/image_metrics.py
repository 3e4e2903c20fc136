"""Similarity of an image and its reference (H, W, C), uint8, 0 to 255."""

import math

import numpy as np
from numpy.typing import NDArray

_PEAK = 255.0
_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_ROWS_PER_BAND = 256
"""Rows at a time: statistics of a large image then stay in a few megabytes."""

ImageArray = NDArray[np.uint8]
Plane = NDArray[np.float64]


def psnr_db(image_HWC: ImageArray, reference_HWC: ImageArray) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels; infinite for equal images."""
    squares = sum(
        float(np.square(image.astype(np.float64) - reference).sum())
        for image, reference in zip(image_HWC, reference_HWC, strict=True)
    )
    if not squares:
        return math.inf
    return 10 * math.log10(_PEAK**2 * image_HWC.size / squares)


def ssim(image_HWC: ImageArray, reference_HWC: ImageArray) -> float | None:
    """Return the mean structural similarity over channels; None if a side is under 11 pixels.

    Wang, Bovik, Sheikh and Simoncelli 2004, "Image Quality Assessment: From Error Visibility to
    Structural Similarity", section III: Gaussian window of 11 × 11 with sigma 1.5, K1 = 0.01,
    K2 = 0.03, taken only where the window lies inside the image.
    """
    height, width, channels = image_HWC.shape
    rows, columns = height - _WINDOW + 1, width - _WINDOW + 1  # positions of the window
    if min(rows, columns) < 1:
        return None
    total = 0.0
    for channel in range(channels):
        for top in range(0, rows, _ROWS_PER_BAND):
            band = slice(top, top + _ROWS_PER_BAND + _WINDOW - 1)
            x_HW = image_HWC[band, :, channel].astype(np.float64)
            y_HW = reference_HWC[band, :, channel].astype(np.float64)
            total += float(_ssim_map(x_HW, y_HW).sum())
    return total / float(channels * rows * columns)


def _ssim_map(x_HW: Plane, y_HW: Plane) -> Plane:
    """Return equation 13 at every position of the window."""
    mean_x, mean_y = _gaussian_filter(x_HW), _gaussian_filter(y_HW)
    products, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = _gaussian_filter(x_HW * y_HW) - products
    variances = _gaussian_filter(x_HW**2 + y_HW**2) - squares
    similarity: Plane = ((2 * products + _C1) * (2 * covariance + _C2)) / (
        (squares + _C1) * (variances + _C2)
    )
    return similarity


def _gaussian_window() -> list[float]:
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights: list[float] = (window / window.sum()).tolist()
    return weights


_GAUSSIAN_WEIGHTS = _gaussian_window()


def _gaussian_filter(plane_HW: Plane) -> Plane:
    """Return the window's weighted mean, rows first, then columns; 10 shorter on each axis."""
    height, width = (size - _WINDOW + 1 for size in plane_HW.shape)
    rows = np.zeros((height, plane_HW.shape[1]))
    for shift, weight in enumerate(_GAUSSIAN_WEIGHTS):
        rows += weight * plane_HW[shift : shift + height]
    blurred = np.zeros((height, width))
    for shift, weight in enumerate(_GAUSSIAN_WEIGHTS):
        blurred += weight * rows[:, shift : shift + width]
    return blurred
