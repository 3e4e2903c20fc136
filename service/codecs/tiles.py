"""Images of any size through a network that sees tiles.

Tiles overlap, and of each only the part far from its inner edges is kept (centre crop). Blending
would need float sums of the whole image, and its result would still differ from a whole run
wherever an edge is within reach; the kept centre does not differ at all.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import AnySizeImage

__all__ = ["run_tiled"]


def run_tiled(
    image_HWC: NDArray[np.uint8],
    spec: AnySizeImage,
    run: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Apply `run` to an image of any size in tiles of at most `spec.tile` × `spec.tile`.

    `run` maps (h, w, C) to the same shape, with h and w multiples of `spec.multiple_of`, and must
    not modify its input. The result (H, W, C) has the size of `image_HWC`. It equals one run over
    the whole padded image, pixel by pixel, if `spec.overlap` is at least twice the radius of the
    receptive field: tiles start at multiples of `multiple_of`, so strides align, and outer tiles
    end at the edge of the image.

    Memory: the result and one tile with what `run` needs for it.

    Raises:
        ValueError: the image has no pixel, or `run` gave another shape or type than it got.

    """
    height, width, _ = image_HWC.shape
    if not image_HWC.size:
        raise ValueError(f"a picture without pixels: {image_HWC.shape}")
    out_HWC = np.empty_like(image_HWC, order="C")
    for top, bottom, rows in _tile_spans(height, spec):
        for left, right, columns in _tile_spans(width, spec):
            tile_result_hwC = _run_checked(
                run, _extract_padded_tile(image_HWC, top, bottom, left, right)
            )
            out_HWC[rows, columns] = tile_result_hwC[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return out_HWC


def _tile_spans(length: int, spec: AnySizeImage) -> Iterator[tuple[int, int, slice]]:
    """Along one axis: (start, stop) of each tile, which may pass the edge, and what is kept."""
    padded = -(-length // spec.multiple_of) * spec.multiple_of
    core_start = start = 0
    while core_start < length:
        # The last tile is moved back to end where the image ends: all tiles have one shape.
        start = max(0, min(start, padded - spec.tile))
        stop = min(start + spec.tile, padded)
        core_stop = length if stop == padded else stop - spec.overlap // 2
        yield start, stop, slice(core_start, core_stop)
        core_start, start = core_stop, start + spec.tile - spec.overlap


def _extract_padded_tile(
    image_HWC: NDArray[np.uint8], top: int, bottom: int, left: int, right: int
) -> NDArray[np.uint8]:
    """A tile, C-contiguous; what lies beyond the last row and column is mirrored.

    "symmetric", which repeats the edge pixel, is defined for a single row and for more padding than
    image; "reflect" is not.
    """
    available_hwC = image_HWC[top:bottom, left:right]
    pad_rows, pad_columns = (
        bottom - top - available_hwC.shape[0],
        right - left - available_hwC.shape[1],
    )
    if pad_rows or pad_columns:
        return np.pad(available_hwC, ((0, pad_rows), (0, pad_columns), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(available_hwC)


def _run_checked(
    run: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], tile_hwC: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    result_hwC = run(tile_hwC)
    if result_hwC.shape != tile_hwC.shape or result_hwC.dtype != np.uint8:
        raise ValueError(
            f"a tile {tile_hwC.shape} came back as {result_hwC.shape} {result_hwC.dtype}"
        )
    return result_hwC
