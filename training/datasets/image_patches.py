"""Photographs of any size in memory, and random square patches of them for training.

Shapes: C channels (3), H height, W width, B patches, P side of a patch.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from models_store.manifest import DataSource

__all__ = ["PatchBatches", "PatchData", "PatchSplit"]


@dataclass(frozen=True)
class PatchSplit:
    """Photographs, each uint8 (3, H, W) of its own size; grey ones have three equal channels."""

    images: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sha256(self) -> str:
        """Hash of sizes and pixels, which identifies the images of a metric."""
        digest = hashlib.sha256()
        for image_CHW in self.images:
            digest.update(str(tuple(image_CHW.shape)).encode())
            digest.update(image_CHW.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class PatchData:
    """Photographs in memory. `validation` is held out of training; `test` is for metrics only."""

    title: str
    test_title: str
    licence: str
    source: str
    patch: int
    """Side of the training patches, in pixels."""
    patches_per_image: int
    """Patches that one epoch takes from each photograph."""
    train: PatchSplit
    test: PatchSplit
    validation: PatchSplit | None = None

    channels = 3

    def to_data_source(self) -> DataSource:
        """Return the manifest's entry, with the hash of the training pixels."""
        return DataSource(
            title=self.title,
            source=self.source,
            licence=self.licence,
            sha256=self.train.sha256,
            n=len(self.train),
        )

    def patch_batches(self, batch_size: int, generator: Generator) -> "PatchBatches":
        """Return an epoch's batches, drawn from `generator`."""
        return PatchBatches(self.train, self.patch, self.patches_per_image, batch_size, generator)


class PatchBatches:
    """Iterate over uint8 (B, 3, P, P): every photograph equally often, at random positions.

    Each patch is rotated and mirrored into one of its eight orientations. A photograph that is
    smaller than a patch is mirrored at its right and lower edge. The last partial batch is dropped.
    """

    def __init__(
        self,
        split: PatchSplit,
        size: int,
        per_image: int,
        batch_size: int,
        generator: Generator,
    ) -> None:
        self._images = tuple(_pad_to_size(image, size) for image in split.images)
        self._size = size
        self._per_image = per_image
        self._batch_size = min(batch_size, per_image * len(split))
        self._generator = generator

    def __len__(self) -> int:
        return self._per_image * len(self._images) // self._batch_size

    def __iter__(self) -> Iterator[Tensor]:
        count = self._per_image * len(self._images)
        order = torch.randperm(count, generator=self._generator) % len(self._images)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            indices = order[start : start + self._batch_size].tolist()
            yield torch.stack([self._random_patch(self._images[index]) for index in indices])

    def _random_patch(self, image_CHW: Tensor) -> Tensor:
        _, height, width = image_CHW.shape
        top, left = (
            self._random_below(height - self._size + 1),
            self._random_below(width - self._size + 1),
        )
        patch_CPP = image_CHW[:, top : top + self._size, left : left + self._size]
        position = self._random_below(8)
        if position >= 4:
            patch_CPP = patch_CPP.transpose(1, 2)
        return patch_CPP.rot90(position % 4, (1, 2))

    def _random_below(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self._generator))


def _pad_to_size(image_CHW: Tensor, size: int) -> Tensor:
    _, height, width = image_CHW.shape
    below, beside = max(0, size - height), max(0, size - width)
    if not below and not beside:
        return image_CHW
    # torch's reflection padding does not support uint8 and cannot pad by more than the size.
    return torch.from_numpy(
        np.pad(image_CHW.numpy(), ((0, 0), (0, below), (0, beside)), mode="symmetric")
    )
