"""Photographs of any size in memory, and random square patches of them to learn from.

Shapes: C channels (3), H height, W width, B patches, P side of a patch.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from models_store.manifest import DataSource

__all__ = ["AlbumData", "AlbumSplit", "Patches"]


@dataclass(frozen=True)
class AlbumSplit:
    """Photographs, each uint8 (3, H, W) with H and W of its own; grey ones have equal channels."""

    pictures: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def sha256(self) -> str:
        """Of sizes and pixels, so that a figure names the pictures that it was measured on."""
        digest = hashlib.sha256()
        for picture_CHW in self.pictures:
            digest.update(str(tuple(picture_CHW.shape)).encode())
            digest.update(picture_CHW.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class AlbumData:
    """A set of photographs. `validation` is held out of training; `test` is only ever measured."""

    title: str
    test_title: str
    licence: str
    source: str
    patch: int
    """Side of the squares that are learnt from."""
    patches_per_picture: int
    """How often an epoch takes each photograph."""
    train: AlbumSplit
    test: AlbumSplit
    validation: AlbumSplit | None = None

    channels = 3

    def describe(self) -> DataSource:
        """The manifest's entry, with the hash of the training pixels."""
        return DataSource(
            title=self.title,
            source=self.source,
            licence=self.licence,
            sha256=self.train.sha256,
            n=len(self.train),
        )

    def patches(self, batch_size: int, generator: Generator) -> "Patches":
        """An epoch's batches, drawn from `generator`."""
        return Patches(self.train, self.patch, self.patches_per_picture, batch_size, generator)


class Patches:
    """Iterates uint8 (B, 3, P, P): every photograph equally often, at random places.

    Each patch is turned and mirrored into one of its eight positions. A photograph that is smaller
    than a patch is mirrored at its right and lower edge. The last partial batch is dropped.
    """

    def __init__(
        self,
        split: AlbumSplit,
        size: int,
        per_picture: int,
        batch_size: int,
        generator: Generator,
    ) -> None:
        self._pictures = tuple(_covering(picture, size) for picture in split.pictures)
        self._size = size
        self._per_picture = per_picture
        self._batch_size = min(batch_size, per_picture * len(split))
        self._generator = generator

    def __len__(self) -> int:
        return self._per_picture * len(self._pictures) // self._batch_size

    def __iter__(self) -> Iterator[Tensor]:
        count = self._per_picture * len(self._pictures)
        order = torch.randperm(count, generator=self._generator) % len(self._pictures)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            chosen = order[start : start + self._batch_size].tolist()
            yield torch.stack([self._patch(self._pictures[index]) for index in chosen])

    def _patch(self, picture_CHW: Tensor) -> Tensor:
        _, height, width = picture_CHW.shape
        top, left = self._below(height - self._size + 1), self._below(width - self._size + 1)
        patch_CPP = picture_CHW[:, top : top + self._size, left : left + self._size]
        position = self._below(8)
        if position >= 4:
            patch_CPP = patch_CPP.transpose(1, 2)
        return patch_CPP.rot90(position % 4, (1, 2))

    def _below(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self._generator))


def _covering(picture_CHW: Tensor, size: int) -> Tensor:
    _, height, width = picture_CHW.shape
    below, beside = max(0, size - height), max(0, size - width)
    if not below and not beside:
        return picture_CHW
    # torch mirrors no bytes, and no further than once.
    return torch.from_numpy(
        np.pad(picture_CHW.numpy(), ((0, 0), (0, below), (0, beside)), mode="symmetric")
    )
