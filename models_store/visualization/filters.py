"""A layer's filters, or what they make of a picture, as a picture.

Every weight of a layer is on one scale: white is zero, red positive, blue the same negative.
Filters over three channels, which look at colours, are shown in colours, with grey as zero. The
scale ends where one weight in a hundred lies beyond, and these have the colour of its end: else a
single large weight would leave all others pale. Dead filters have a magenta frame.

Shapes: N filters, C inputs of each, h × w their window; H × W the picture.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models_store.onnx.weights import Layer

__all__ = ["maps_picture", "picture", "scale_of"]

Picture = NDArray[np.uint8]

_RED, _BLUE = np.array([178.0, 24.0, 43.0]), np.array([33.0, 102.0, 172.0])
_DEAD = np.array([255, 0, 200], np.uint8)
_GROUND = np.array([225, 225, 225], np.uint8)
_SIDE = 720
"""Pixels that the longer side has at least, or nearly; small pictures are enlarged by a whole."""
_SCALE_AT = 99.0
"""Percentile of absolute weights at which the scale ends."""


def picture(layer: Layer) -> Picture:
    """uint8 (H, W, 3): a tile a filter where it has one input or three, else a row a filter."""
    weights = np.clip(layer.weights_NChw / scale_of(layer.weights_NChw), -1, 1)
    channels, height, width = weights.shape[1:]
    if channels == 3 and height * width > 1:
        tiles = np.rint(127.5 + 127.5 * weights.transpose(0, 2, 3, 1)).astype(np.uint8)
    elif channels == 1:
        tiles = _diverging(weights[:, 0])
    else:
        return _enlarged(_rows(weights, layer.dead_N))
    return _grid(tiles, layer.dead_N)


def scale_of(values: NDArray[np.floating]) -> float:
    """The absolute value at the scale's end; 1 where all are zero."""
    if not values.size:
        return 1.0
    end = float(np.percentile(np.abs(values), _SCALE_AT))
    return end or float(np.abs(values).max()) or 1.0


def maps_picture(maps_Nhw: NDArray[np.floating]) -> Picture:
    """uint8 (H, W, 3): a tile for each filter's answer, all on one scale; silent ones framed."""
    shares = np.clip(maps_Nhw / scale_of(maps_Nhw), -1, 1)
    silent_N = np.abs(maps_Nhw).reshape(len(maps_Nhw), -1).max(1) == 0
    return _grid(_diverging(shares), silent_N)


def _diverging(shares: NDArray[np.floating]) -> Picture:
    """-1 … 1 → blue, white, red; adds an axis for colours."""
    ends = np.where(shares[..., None] > 0, _RED, _BLUE)
    colours: Picture = np.rint(255 + np.abs(shares)[..., None] * (ends - 255)).astype(np.uint8)
    return colours


def _grid(tiles_NhwK: Picture, marked_N: NDArray[np.bool_]) -> Picture:
    """Tiles side by side, about as wide as high together, each in a thin frame."""
    count, height, width, _ = tiles_NhwK.shape
    columns = max(1, round(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    factor = max(1, _SIDE // max(columns * (width + 1), rows * (height + 1)))
    tiles = tiles_NhwK.repeat(factor, 1).repeat(factor, 2)
    frame = max(1, factor * min(height, width) // 16)
    tall, wide = tiles.shape[1] + 2 * frame, tiles.shape[2] + 2 * frame
    framed = np.empty((rows * columns, tall, wide, 3), np.uint8)
    framed[:] = _GROUND
    framed[:count][marked_N] = _DEAD
    framed[:count, frame:-frame, frame:-frame] = tiles
    grid = framed.reshape(rows, columns, tall, wide, 3)
    return grid.swapaxes(1, 2).reshape(rows * tall, columns * wide, 3)


def _rows(shares_NChw: NDArray[np.floating], dead_N: NDArray[np.bool_]) -> Picture:
    """Down the filters, across their inputs; windows are apart by one pixel, if they are any."""
    count, channels, height, width = shares_NChw.shape
    gap = 1 if height * width > 1 else 0
    tiles = np.empty((count, channels, height + gap, width + gap, 3), np.uint8)
    tiles[:] = _GROUND
    tiles[:, :, :height, :width] = _diverging(shares_NChw)
    rows = tiles.swapaxes(1, 2).reshape(count, height + gap, -1, 3)
    edge = np.empty((count, height + gap, max(3, height), 3), np.uint8)
    edge[:] = 255
    edge[dead_N] = _DEAD
    return np.concatenate([edge, rows, edge], axis=2).reshape(
        -1, rows.shape[2] + 2 * edge.shape[2], 3
    )


def _enlarged(image_HWC: Picture) -> Picture:
    factor = max(1, math.ceil(_SIDE / max(image_HWC.shape[:2])))
    return image_HWC.repeat(factor, 0).repeat(factor, 1)
