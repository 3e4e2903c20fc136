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

    def batch_count(self, size: int) -> int:
        return self.patches_per_epoch // min(size, self.patches_per_epoch)

    def batches(self, batch_size: int, generator: Generator) -> Iterator[Tensor]:
        """Yield an epoch's batches, uint8 (B, 3, P, P): random patches in random orientations.

        A photograph that is smaller than a patch is mirrored at its right and lower edge. The last
        partial batch is dropped.
        """
        images = [_pad_to_size(image, self.patch) for image in self.train.images]
        indices = self._draw_indices(len(images), generator)
        size = min(batch_size, self.patches_per_epoch)
        for _ in range(self.batch_count(batch_size)):
            batch = [self._random_patch(images[i], generator) for i in islice(indices, size)]
            yield torch.stack(batch)

    def _draw_indices(self, count: int, generator: Generator) -> Iterator[int]:
        if not self.evenly:
            while True:
                yield _random_below(count, generator)
        order = torch.randperm(self.patches_per_epoch, generator=generator)
        yield from (order % count).tolist()

    def _random_patch(self, image_CHW: Tensor, generator: Generator) -> Tensor:
        side = self.patch
        top, left = (_random_below(size - side + 1, generator) for size in image_CHW.shape[1:])
        orientation = _random_below(8, generator)
        if self.evenly:
            orientation = _ROTATIONS_FIRST[orientation]
        return _orient(image_CHW[:, top : top + side, left : left + side], orientation)


def _random_below(bound: int, generator: Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


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
