"""Photographs of any size in memory, and random square patches of them for training.

Shapes: C channels (3), H height, W width, B patches, P side of a patch.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Generator, Tensor

from training.datasets.base import DataSet, DataSplit

_ROTATIONS_FIRST = (0, 6, 3, 5, 4, 1, 7, 2)
"""Orientations as the published denoisers draw them: four rotations, then four of the transpose."""


@dataclass(frozen=True)
class PatchSplit(DataSplit):
    """Photographs, each uint8 (3, H, W) of its own size; grey ones have three equal channels."""

    images: tuple[Tensor, ...]

    def subset(self, indices: Tensor) -> "PatchSplit":
        return PatchSplit(tuple(self.images[index] for index in indices.tolist()))

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for image_CHW in self.images:
            digest.update(str(tuple(image_CHW.shape)).encode())
            digest.update(image_CHW.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class PatchData(DataSet[PatchSplit]):
    """Photographs from which a network is trained patch by patch."""

    test_title: str
    patch: int
    """Side of the training patches, in pixels."""
    patches_per_epoch: int
    evenly: bool
    """Take every photograph equally often, instead of a random one for each patch."""

    channels = 3

    def batches(self, batch_size: int, generator: Generator) -> "PatchBatches":
        """Return an epoch's batches, drawn from `generator`."""
        return PatchBatches(self, batch_size, generator)


class PatchBatches:
    """Iterate over uint8 (B, 3, P, P): random patches in random orientations.

    A photograph that is smaller than a patch is mirrored at its right and lower edge. The last
    partial batch is dropped.
    """

    def __init__(self, data: PatchData, batch_size: int, generator: Generator) -> None:
        self._data, self._generator = data, generator
        self._images = tuple(_pad_to_size(image, data.patch) for image in data.train.images)
        self._batch_size = min(batch_size, data.patches_per_epoch)

    def __len__(self) -> int:
        return self._data.patches_per_epoch // self._batch_size

    def __iter__(self) -> Iterator[Tensor]:
        indices = self._draw_indices()
        for _ in range(len(self)):
            batch = [self._random_patch(i) for i in islice(indices, self._batch_size)]
            yield torch.stack(batch)

    def _draw_indices(self) -> Iterator[int]:
        count = len(self._images)
        if not self._data.evenly:
            while True:
                yield self._random_below(count)
        order = torch.randperm(self._data.patches_per_epoch, generator=self._generator)
        yield from (order % count).tolist()

    def _random_patch(self, index: int) -> Tensor:
        image_CHW, side = self._images[index], self._data.patch
        top, left = (self._random_below(size - side + 1) for size in image_CHW.shape[1:])
        orientation = self._random_below(8)
        if self._data.evenly:
            orientation = _ROTATIONS_FIRST[orientation]
        return _orient(image_CHW[:, top : top + side, left : left + side], orientation)

    def _random_below(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self._generator))


def _orient(image_CHW: Tensor, orientation: int) -> Tensor:
    """Return one of the eight orientations of an image: flip each axis or not, then transpose."""
    axes = [axis for axis in (1, 2) if orientation & axis]
    flipped = image_CHW.flip(axes)
    return flipped.transpose(1, 2) if orientation & 4 else flipped


def _pad_to_size(image_CHW: Tensor, size: int) -> Tensor:
    _, height, width = image_CHW.shape
    below, right = max(0, size - height), max(0, size - width)
    if not below and not right:
        return image_CHW
    # torch's reflection padding does not support uint8 and cannot pad by more than the size.
    return torch.from_numpy(
        np.pad(image_CHW.numpy(), ((0, 0), (0, below), (0, right)), mode="symmetric")
    )
