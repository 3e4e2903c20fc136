"""Photographs of any size ↔ payloads: the graphs of a codec, tile by tile, and the coder between.

What is whole in memory beside the picture: its latents, about four bytes a pixel twice. All that
the graphs compute is of one tile.

Shapes: H, W pixels; h = ⌈H / 8⌉ + 1 and w blocks, of which each covers 16 × 16 pixels; D latent
channels, S of side information.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models_store.compression.hyperprior import Coded, Coder, LevelTables
from models_store.tasks import Compression, FreeImage, Hyperprior
from models_store.verify import Run

__all__ = ["BLOCK", "Photographs"]

BLOCK = 8
"""Pixels from one block to the next."""
_SIDE = 4
"""Blocks from one place of the side information to the next."""

Image = NDArray[np.uint8]
_Check = Callable[[], None]


def _nothing() -> None:
    """The check of who has nothing to check."""


@dataclass(frozen=True)
class Photographs:
    """One model's graphs by role, its task and its tables."""

    task: Compression
    tables: LevelTables
    runs: Mapping[str, Run]

    @cached_property
    def coder(self) -> Coder:
        if not isinstance(self.task.entropy, Hyperprior):
            raise TypeError(f"{self.task.entropy.kind} latents are coded otherwise")
        return Coder(self.task.entropy, self.tables, self.runs)

    def encode(self, image_HWC: Image, quality: int, check: _Check = _nothing) -> Coded:
        """The payload of an RGB picture, at a quality from 1, and what a decoder will find in it.

        `check` is called before every run of a graph that sees pixels.
        """
        height, width = image_HWC.shape[:2]
        rows, columns = blocks(height), blocks(width)
        latents: NDArray[np.int16] | None = None
        side: NDArray[np.int16] | None = None
        qualities = np.array([quality - 1], np.int64)
        for y in _tiles(rows, self._spec):
            for x in _tiles(columns, self._spec):
                check()
                seen = _with_margin(image_HWC, y, x)
                out = self.runs["encoder"]({"images": seen[np.newaxis], "quality": qualities})
                if latents is None or side is None:
                    sides = (-(-rows // _SIDE), -(-columns // _SIDE))
                    latents = np.empty((out["latents"].shape[1], rows, columns), np.int16)
                    side = np.empty((out["side"].shape[1], *sides), np.int16)
                latents[:, y.kept, x.kept] = out["latents"][0][:, y.inside(), x.inside()]
                side[:, y.kept_by(_SIDE), x.kept_by(_SIDE)] = out["side"][0][
                    :, y.inside(_SIDE), x.inside(_SIDE)
                ]
        if latents is None or side is None:
            raise ValueError(f"a picture without pixels: {image_HWC.shape}")
        return self.coder.encode(latents, side, quality - 1)

    def decode(
        self, payload: bytes, height: int, width: int, check: _Check = _nothing
    ) -> tuple[Image, int]:
        """The RGB picture (H, W, 3) of a payload, and its quality from 1.

        Raises:
            ValueError: these bytes are no such code.
        """
        latents, quality = self.coder.decode(payload, blocks(height), blocks(width))
        return self.picture(latents, quality + 1, height, width, check), quality + 1

    def picture(
        self,
        latents: NDArray[np.int16],
        quality: int,
        height: int,
        width: int,
        check: _Check = _nothing,
    ) -> Image:
        """The picture (H, W, 3) of decoded latents (D, h, w)."""
        image_HWC = np.empty((height, width, 3), np.uint8)
        qualities = np.array([quality - 1], np.int64)
        for y in _tiles(latents.shape[1], self._spec):
            for x in _tiles(latents.shape[2], self._spec):
                check()
                seen = np.ascontiguousarray(latents[np.newaxis, :, y.seen, x.seen])
                out = self.runs["decoder"]({"latents": seen, "quality": qualities})["images"]
                rows, columns = y.pixels(height), x.pixels(width)
                top, left = y.seen.start * BLOCK, x.seen.start * BLOCK
                image_HWC[rows, columns] = out[
                    0,
                    rows.start - top : rows.stop - top,
                    columns.start - left : columns.stop - left,
                ]
        return image_HWC

    @property
    def _spec(self) -> FreeImage:
        if not isinstance(self.task.image, FreeImage):
            raise TypeError("this model takes pictures of one size")
        return self.task.image


def blocks(pixels: int) -> int:
    """Blocks along a side: every pixel is covered by two."""
    return -(-pixels // BLOCK) + 1


@dataclass(frozen=True)
class _Tile:
    """Along one axis, in blocks: what a run sees, and what is kept of it."""

    seen: slice
    kept: slice

    def inside(self, step: int = 1) -> slice:
        """What is kept, within what comes out of a run with a place for every `step` blocks."""
        start = (self.kept.start - self.seen.start) // step
        return slice(start, start + -(-(self.kept.stop - self.kept.start) // step))

    def kept_by(self, step: int) -> slice:
        return slice(self.kept.start // step, -(-self.kept.stop // step))

    def pixels(self, length: int) -> slice:
        """Of the picture; the last block's own pixels lie beyond its edge."""
        return slice(self.kept.start * BLOCK, min(self.kept.stop * BLOCK, length))


def _tiles(count: int, spec: FreeImage) -> Iterator[_Tile]:
    """Tiles that start at multiples of `_SIDE` blocks, so that strides fall alike in all."""
    margin = spec.overlap // 2 // BLOCK
    core = spec.tile // BLOCK - 2 * margin
    last = count - 1  # has no pixels of its own: never a tile by itself
    for start in range(0, last, core):
        stop = start + core if start + core < last else count
        yield _Tile(slice(max(0, start - margin), min(stop + margin, count)), slice(start, stop))
        if stop == count:
            return


def _with_margin(image_HWC: Image, y: _Tile, x: _Tile) -> Image:
    """The pixels that blocks are computed from, mirrored where they lie beyond the picture."""
    rows, columns = (
        _mirrored((tile.seen.start - 1) * BLOCK, tile.seen.stop * BLOCK, length)
        for tile, length in ((y, image_HWC.shape[0]), (x, image_HWC.shape[1]))
    )
    return np.ascontiguousarray(image_HWC[rows[:, None], columns[None, :]])


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices start … stop - 1 folded into 0 … length - 1; the edge pixel comes twice."""
    index = np.arange(start, stop) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)
