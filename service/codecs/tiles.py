"""Run a network over an image of any size in tiles.

Tiles overlap, and only the part of each that is far from its inner edges is kept (centre crop).
Blending would need float sums of the whole image, and its result would still differ from a whole
run wherever a tile's edge is within reach; the kept centre does not differ at all.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import AnySizeImage


def run_tiled(
    image_HWC: NDArray[np.uint8],
    spec: AnySizeImage,
    run: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    margin: int = 0,
) -> NDArray[np.uint8]:
    """Apply `run` to an image of any size in tiles of at most `spec.tile` × `spec.tile`.

    `run` maps (h, w, C) to the same shape, with h and w multiples of `spec.multiple_of`, and must
    not modify its input. It sees the image reflected at its edges, by `margin` pixels or a few
    more, so that the zeros that convolutions add there are out of reach. The result (H, W, C) has
    the size of `image_HWC`. It equals one run over the whole padded image, pixel by pixel, if
    `spec.overlap` is at least twice the radius of the receptive field: tiles start at multiples of
    `multiple_of`, so strides align, and outer tiles end at the edge of the padded image.

    Memory: the result and one tile with what `run` needs for it.

    Raises:
        ValueError: the image has no pixel, or `run` gave another shape or type than it got.
    """
    height, width, _ = image_HWC.shape
    if not image_HWC.size:
        raise ValueError(f"an image without pixels: {image_HWC.shape}")
    rows_H, columns_W = (_reflect(side, margin, spec.multiple_of) for side in (height, width))
    out_HWC = np.empty_like(image_HWC, order="C")
    for top, bottom, kept_rows in _tile_spans(len(rows_H), margin, height, spec):
        for left, right, kept_columns in _tile_spans(len(columns_W), margin, width, spec):
            tile_hwC = image_HWC[rows_H[top:bottom, np.newaxis], columns_W[left:right]]
            result_hwC = _run_checked(run, tile_hwC)
            out_HWC[_shift(kept_rows, margin), _shift(kept_columns, margin)] = result_hwC[
                _shift(kept_rows, top), _shift(kept_columns, left)
            ]
    return out_HWC


def count_tile_pixels(size: tuple[int, int], spec: AnySizeImage, margin: int = 0) -> int:
    """Return the pixels of all tiles that `run_tiled` makes of an image, overlaps included."""
    pixels = 1
    for side in size:
        padded = len(_reflect(side, margin, spec.multiple_of))
        spans = _tile_spans(padded, margin, side, spec)
        pixels *= sum(stop - start for start, stop, _ in spans)
    return pixels


def _reflect(length: int, margin: int, multiple_of: int) -> NDArray[np.intp]:
    """Return the pixel that each position of a padded axis shows.

    "reflect" does not repeat the edge pixel, whose noise would then count twice. A single pixel is
    all there is to show.
    """
    below = -(length + 2 * margin) % multiple_of
    positions = np.arange(length)
    return np.pad(positions, (margin, margin + below), mode="reflect" if length > 1 else "edge")


def _tile_spans(
    padded: int, margin: int, length: int, spec: AnySizeImage
) -> Iterator[tuple[int, int, slice]]:
    """Yield (start, stop) of each tile along one padded axis, and the positions kept of it."""
    core_start = start = 0
    while core_start < margin + length:
        # The last tile is moved back to end where the image ends: all tiles have one shape.
        start = max(0, min(start, padded - spec.tile))
        stop = min(start + spec.tile, padded)
        core_stop = padded if stop == padded else stop - spec.overlap // 2
        core = slice(max(core_start, margin), min(core_stop, margin + length))
        if core.start < core.stop:
            yield start, stop, core
        core_start, start = core_stop, start + spec.tile - spec.overlap


def _shift(span: slice, offset: int) -> slice:
    return slice(span.start - offset, span.stop - offset)


def _run_checked(
    run: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], tile_hwC: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    result_hwC = run(tile_hwC)
    if result_hwC.shape != tile_hwC.shape or result_hwC.dtype != np.uint8:
        raise ValueError(
            f"a tile {tile_hwC.shape} came back as {result_hwC.shape} {result_hwC.dtype}"
        )
    return result_hwC
