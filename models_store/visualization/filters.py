"""Render a layer's filters, or its feature maps of an image, as an image.

All weights of a layer share one scale: white is zero, red positive, blue negative. Filters over
three channels are shown in colours, with grey as zero. The scale ends at the 99th percentile of
absolute weights and clips the rest, because a single large weight would leave all others pale.
Dead filters have a magenta frame.

Shapes: N filters, C inputs of each, h × w their window; H × W the image.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models_store.onnx.weights import Layer

ImageArray = NDArray[np.uint8]

_RED, _BLUE = np.array([178.0, 24.0, 43.0]), np.array([33.0, 102.0, 172.0])
_DEAD_COLOR = np.array([255, 0, 200], np.uint8)
_BACKGROUND = np.array([225, 225, 225], np.uint8)
_MIN_SIDE = 720
"""Approximate minimum of the longer side, in pixels; small images are enlarged."""
_SCALE_PERCENTILE = 99.0
"""Percentile of absolute weights at which the scale ends."""


def render_filters(layer: Layer) -> ImageArray:
    """Return uint8 (H, W, 3): a tile for each filter of 1 or 3 inputs, else a row for each."""
    weights = np.clip(layer.weights_NChw / color_scale(layer.weights_NChw), -1, 1)
    channels, height, width = weights.shape[1:]
    if channels == 3 and height * width > 1:
        tiles = np.rint(127.5 + 127.5 * weights.transpose(0, 2, 3, 1)).astype(np.uint8)
    elif channels == 1:
        tiles = _diverging_colors(weights[:, 0])
    else:
        return _enlarge(_draw_rows(weights, layer.dead_N))
    return _draw_grid(tiles, layer.dead_N)


def color_scale(values: NDArray[np.floating]) -> float:
    """Return the absolute value at the end of the scale; 1 if all values are zero."""
    if not values.size:
        return 1.0
    end = float(np.percentile(np.abs(values), _SCALE_PERCENTILE))
    return end or float(np.abs(values).max()) or 1.0


def render_feature_maps(maps_Nhw: NDArray[np.floating]) -> ImageArray:
    """Return uint8 (H, W, 3): a tile for each feature map, on one scale; all-zero ones framed."""
    normalized = np.clip(maps_Nhw / color_scale(maps_Nhw), -1, 1)
    inactive_N = np.abs(maps_Nhw).reshape(len(maps_Nhw), -1).max(1) == 0
    return _draw_grid(_diverging_colors(normalized), inactive_N)


def _diverging_colors(normalized: NDArray[np.floating]) -> ImageArray:
    """Map -1 … 1 to blue, white and red; adds an axis for colours."""
    ends = np.where(normalized[..., None] > 0, _RED, _BLUE)
    colors: ImageArray = np.rint(255 + np.abs(normalized)[..., None] * (ends - 255)).astype(
        np.uint8
    )
    return colors


def _draw_grid(tiles_NhwK: ImageArray, marked_N: NDArray[np.bool_]) -> ImageArray:
    """Arrange framed tiles in a grid that is about square."""
    count, height, width, _ = tiles_NhwK.shape
    columns = max(1, round(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    factor = max(1, _MIN_SIDE // max(columns * (width + 1), rows * (height + 1)))
    tiles = tiles_NhwK.repeat(factor, 1).repeat(factor, 2)
    frame = max(1, factor * min(height, width) // 16)
    framed_height, framed_width = tiles.shape[1] + 2 * frame, tiles.shape[2] + 2 * frame
    framed = np.empty((rows * columns, framed_height, framed_width, 3), np.uint8)
    framed[:] = _BACKGROUND
    framed[:count][marked_N] = _DEAD_COLOR
    framed[:count, frame:-frame, frame:-frame] = tiles
    grid = framed.reshape(rows, columns, framed_height, framed_width, 3)
    return grid.swapaxes(1, 2).reshape(rows * framed_height, columns * framed_width, 3)


def _draw_rows(normalized_NChw: NDArray[np.floating], dead_N: NDArray[np.bool_]) -> ImageArray:
    """Arrange filters as rows and their inputs as columns, windows one pixel apart."""
    count, channels, height, width = normalized_NChw.shape
    gap = 1 if height * width > 1 else 0
    tiles = np.empty((count, channels, height + gap, width + gap, 3), np.uint8)
    tiles[:] = _BACKGROUND
    tiles[:, :, :height, :width] = _diverging_colors(normalized_NChw)
    rows = tiles.swapaxes(1, 2).reshape(count, height + gap, -1, 3)
    edge = np.empty((count, height + gap, max(3, height), 3), np.uint8)
    edge[:] = 255
    edge[dead_N] = _DEAD_COLOR
    return np.concatenate([edge, rows, edge], axis=2).reshape(
        -1, rows.shape[2] + 2 * edge.shape[2], 3
    )


def _enlarge(image_HWC: ImageArray) -> ImageArray:
    factor = max(1, math.ceil(_MIN_SIDE / max(image_HWC.shape[:2])))
    return image_HWC.repeat(factor, 0).repeat(factor, 1)
