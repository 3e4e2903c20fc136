"""Images ↔ payloads: the graphs of a codec, tile by tile for any size, and the coder between.

Beside the image, only its latents are whole in memory, about four bytes a pixel twice. The graphs
compute one tile at a time.

Shapes: H, W pixels; h = ⌈H / 8⌉ + 1 and w blocks, of which each covers 16 × 16 pixels; D latent
channels, S of side information.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models_store.compression.factorized import FrequencyTables, decode_latents, encode_latents
from models_store.compression.hyperprior import EncodedLatents, HyperpriorCoder, ScaleTables, Tile
from models_store.tasks import AnySizeImage, Compression, Hyperprior
from models_store.verify import GraphFn

BLOCK = 8
"""Distance between blocks, in pixels."""
_SIDE_STRIDE = 4
"""Distance between positions of the side information, in blocks."""

Image = NDArray[np.uint8]
_Check = Callable[[], None]


def _no_check() -> None:
    """Check nothing."""


@dataclass(frozen=True)
class HyperpriorImageCodec:
    """One model's graphs by role, its task and its tables."""

    task: Compression
    tables: ScaleTables
    graphs: Mapping[str, GraphFn]

    @cached_property
    def coder(self) -> HyperpriorCoder:
        if not isinstance(self.task.entropy, Hyperprior):
            raise TypeError(f"{self.task.entropy.kind} latents have another coder")
        return HyperpriorCoder(self.task.entropy, self.tables, self.graphs)

    def encode(self, image_HWC: Image, quality: int, check: _Check = _no_check) -> EncodedLatents:
        """Encode an RGB image at a quality from 1; return the payload and the decoded latents.

        `check` is called before every run of a graph on pixels; it may raise, to cancel.
        """
        if not image_HWC.size:
            raise ValueError(f"an image without pixels: {image_HWC.shape}")
        rows, columns = (block_count(side) for side in image_HWC.shape[:2])
        side_shape = (-(-rows // _SIDE_STRIDE), -(-columns // _SIDE_STRIDE))
        latents = np.empty((self.coder.channels, rows, columns), np.int16)
        side = np.empty((len(self.tables.side_means[0]), *side_shape), np.int16)
        qualities = np.array([quality - 1], np.int64)
        for y, x in product(_tiles(rows, self._image_spec), _tiles(columns, self._image_spec)):
            check()
            images = _padded_window(image_HWC, y, x)[np.newaxis]
            outputs = self.graphs["encoder"]({"images": images, "quality": qualities})
            core = (0, slice(None), y.core_in_window(), x.core_in_window())
            latents[:, y.core, x.core] = outputs["latents"][core]
            side_core = (
                0, slice(None), y.core_in_window(_SIDE_STRIDE), x.core_in_window(_SIDE_STRIDE)
            )  # fmt: skip
            y_side, x_side = (tile.core_at_stride(_SIDE_STRIDE) for tile in (y, x))
            side[:, y_side, x_side] = outputs["side"][side_core]
        return self.coder.encode(latents, side, quality - 1)

    def decode(
        self, payload: bytes, height: int, width: int, check: _Check = _no_check
    ) -> tuple[Image, int]:
        """Return the RGB image (H, W, 3) of a payload, and its quality from 1.

        Raises:
            ValueError: the payload is not a valid code.
        """
        latents, quality = self.coder.decode(payload, block_count(height), block_count(width))
        return self.reconstruct(latents, quality + 1, height, width, check), quality + 1

    def reconstruct(
        self,
        latents: NDArray[np.int16],
        quality: int,
        height: int,
        width: int,
        check: _Check = _no_check,
    ) -> Image:
        """Return the image (H, W, 3) of decoded latents (D, h, w)."""
        image_HWC = np.empty((height, width, 3), np.uint8)
        qualities = np.array([quality - 1], np.int64)
        tiles = (_tiles(count, self._image_spec) for count in latents.shape[1:])
        for y, x in product(*tiles):
            check()
            window = np.ascontiguousarray(latents[np.newaxis, :, y.window, x.window])
            tile = self.graphs["decoder"]({"latents": window, "quality": qualities})["images"]
            rows, columns = y.pixel_range(height), x.pixel_range(width)
            top, left = y.window.start * BLOCK, x.window.start * BLOCK
            image_HWC[rows, columns] = tile[
                0, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        return image_HWC

    @property
    def _image_spec(self) -> AnySizeImage:
        if not isinstance(self.task.image, AnySizeImage):
            raise TypeError("this model takes images of one size")
        return self.task.image


@dataclass(frozen=True)
class FactorizedImageCodec:
    """The same for images of one size, whose model has one quality, 0: its graphs and tables."""

    tables: FrequencyTables
    shape_Dhw: tuple[int, int, int]
    """Shape of the latents of an image."""
    graphs: Mapping[str, GraphFn]

    def encode(self, image_HWC: Image, quality: int, check: _Check = _no_check) -> EncodedLatents:
        del quality
        check()
        latents = self.graphs["encoder"]({"images": image_HWC[np.newaxis]})["latents"]
        latents_Dhw = latents.astype(np.int16, copy=False)[0]
        payload = encode_latents(latents_Dhw.reshape(len(latents_Dhw), -1), self.tables)
        return EncodedLatents(payload, latents_Dhw)

    def decode(
        self, payload: bytes, height: int, width: int, check: _Check = _no_check
    ) -> tuple[Image, int]:
        _, rows, columns = self.shape_Dhw
        latents_DN = decode_latents(payload, self.tables, rows * columns)
        image_HWC = self.reconstruct(latents_DN.reshape(self.shape_Dhw), 0, height, width, check)
        return image_HWC, 0

    def reconstruct(
        self,
        latents: NDArray[np.int16],
        quality: int,
        height: int,
        width: int,
        check: _Check = _no_check,
    ) -> Image:
        del quality, height, width
        check()
        images_BHWC = self.graphs["decoder"]({"latents": latents[np.newaxis]})["images"]
        image_HWC: Image = images_BHWC.astype(np.uint8, copy=False)[0]
        return image_HWC


ImageCodec = HyperpriorImageCodec | FactorizedImageCodec


def block_count(pixels: int) -> int:
    """Return the number of blocks along a side; every pixel is covered by two."""
    return -(-pixels // BLOCK) + 1


class _Tile(Tile):
    """A tile in blocks."""

    def core_at_stride(self, step: int) -> slice:
        return slice(self.core.start // step, -(-self.core.stop // step))

    def pixel_range(self, length: int) -> slice:
        """Return the tile's slice of the image; the last block may extend beyond its edge."""
        return slice(self.core.start * BLOCK, min(self.core.stop * BLOCK, length))


def _tiles(count: int, spec: AnySizeImage) -> Iterator[_Tile]:
    """Yield tiles that start at multiples of `_SIDE_STRIDE` blocks, so that strides are aligned."""
    margin = spec.overlap // 2 // BLOCK
    core = spec.tile // BLOCK - 2 * margin
    last = count - 1  # the last block has no pixels of its own: it is never a tile by itself
    for start in range(0, last, core):
        stop = start + core if start + core < last else count
        yield _Tile(slice(max(0, start - margin), min(stop + margin, count)), slice(start, stop))
        if stop == count:
            return


def _padded_window(image_HWC: Image, y: _Tile, x: _Tile) -> Image:
    """Return the pixels that blocks are computed from, mirrored beyond the image's edges."""
    rows, columns = (
        _reflect_indices((tile.window.start - 1) * BLOCK, tile.window.stop * BLOCK, length)
        for tile, length in ((y, image_HWC.shape[0]), (x, image_HWC.shape[1]))
    )
    return np.ascontiguousarray(image_HWC[rows[:, None], columns[None, :]])


def _reflect_indices(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Return start … stop - 1 reflected into 0 … length - 1; the edge pixel appears twice."""
    index = np.arange(start, stop) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)
