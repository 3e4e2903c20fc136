"""Data sets in memory, split and identified by a hash.

Images are decoded once and stored as uint8, so that training never waits for a decoder. CIFAR-10
takes 184 MB this way.

Shapes: N images, C channels, H height, W width.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Generator, Tensor

from models_store.manifest import DataSource
from models_store.tasks import ColorMode
from training.errors import DataError

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class DataSplit(ABC):
    """A part of a data set. Every field of a subclass is a tensor with the items on axis 0."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def subset(self, indices: Tensor) -> Self:
        return type(self)(*(getattr(self, field.name)[indices] for field in fields(self)))

    def batch_count(self, size: int) -> int:
        """Return the number of batches of an epoch, without the last partial one."""
        return len(self) // min(size, len(self))

    def batches(self, size: int, generator: Generator | None = None) -> Iterator[Self]:
        """Iterate once over the split; a generator shuffles it and drops the last partial batch."""
        size = min(size, len(self))
        if generator is None:
            order, stop = torch.arange(len(self)), len(self)
        else:
            order = torch.randperm(len(self), generator=generator)
            stop = len(self) - len(self) % size
        for start in range(0, stop, size):
            yield self.subset(order[start : start + size])

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hash that identifies the data that a metric was measured on."""


SplitT = TypeVar("SplitT", bound=DataSplit)


@dataclass(frozen=True, kw_only=True)
class DataSet(Generic[SplitT]):
    """A data set in memory. `validation` is held out of training; `test` is for metrics only."""

    title: str
    licence: str
    source: str
    train: SplitT
    test: SplitT
    validation: SplitT | None = None

    def batch_count(self, size: int) -> int:
        """Return the number of training batches of an epoch."""
        return self.train.batch_count(size)

    def to_data_source(self) -> DataSource:
        """Return the manifest's entry, with the hash of the training split."""
        return DataSource(
            title=self.title,
            source=self.source,
            licence=self.licence,
            sha256=self.train.sha256,
            n=len(self.train),
        )


DataSetT = TypeVar("DataSetT", bound=DataSet[Any])


@dataclass(frozen=True)
class ImageSplit(DataSplit):
    """Images `images_NCHW` (uint8) and their classes `labels_N` (int64)."""

    images_NCHW: Tensor
    labels_N: Tensor

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(str(tuple(self.images_NCHW.shape)).encode())
        digest.update(self.images_NCHW.numpy().tobytes())
        digest.update(self.labels_N.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class ImageData(DataSet[ImageSplit]):
    """Images of one size. Without classes, `labels` is empty."""

    labels: tuple[str, ...]

    @property
    def channels(self) -> int:
        return int(self.train.images_NCHW.shape[1])

    @property
    def mode(self) -> ColorMode:
        return "L" if self.channels == 1 else "RGB"

    @property
    def size_HW(self) -> tuple[int, int]:
        height, width = self.train.images_NCHW.shape[2:]
        return int(height), int(width)

    def statistics(self) -> tuple[list[float], list[float]]:
        """Return the mean and standard deviation per channel over the training images, in 0–1."""
        # Sums in float64 over uint8 histograms are exact and need no float copy of the set.
        values = torch.arange(256, dtype=torch.float64) / 255
        means, deviations = [], []
        for pixels in self.train.images_NCHW.unbind(1):
            weights = torch.bincount(pixels.flatten().long(), minlength=256).double()
            weights /= weights.sum()
            means.append(float((weights * values).sum()))
            deviations.append(float((weights * (values - means[-1]) ** 2).sum()) ** 0.5)
        return means, deviations


def concatenate(parts: Sequence[ImageSplit]) -> ImageSplit:
    """Join splits, in order."""
    return ImageSplit(
        torch.cat([part.images_NCHW for part in parts]),
        torch.cat([part.labels_N for part in parts]),
    )


def validate_split(
    split: ImageSplit, source: object, classes: int, shape_CHW: tuple[int, int, int]
) -> ImageSplit:
    """Return `split`, as read from `source`, if it matches what its data set specifies.

    Raises:
        DataError: `source` holds no images, images of another shape, more or fewer labels than
            images, or a label outside 0 … classes - 1.
    """
    shape, labels_N = tuple(split.images_NCHW.shape[1:]), split.labels_N
    if not len(split):
        raise DataError(f"{source} holds no images")
    if shape != shape_CHW:
        raise DataError(f"{source} holds images of shape {shape}, not {shape_CHW} (C, H, W)")
    if len(labels_N) != len(split):
        raise DataError(f"{source} has {len(labels_N)} labels for {len(split)} images")
    lowest, highest = int(labels_N.min()), int(labels_N.max())
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise DataError(f"{source} holds the label {wrong}; labels are 0 to {classes - 1}")
    return split


def split_validation(data: DataSetT, size: int, seed: int = 0) -> DataSetT:
    """Move `size` training items, chosen by `seed`, to `validation`.

    Raises:
        DataError: fewer than one item would be left to train on.
    """
    if size == 0:
        return data
    if size >= len(data.train):
        raise DataError(
            f"validation_size is {size}, but {data.title} has {len(data.train)} training items"
        )
    order = torch.randperm(len(data.train), generator=Generator().manual_seed(seed))
    return replace(
        data, validation=data.train.subset(order[:size]), train=data.train.subset(order[size:])
    )


def class_counts(labels: Tensor, names: Sequence[str]) -> dict[str, int]:
    """Return the number of images of each class, in the order of `names`."""
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True))


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch, so that a resumed run draws the same as an uninterrupted one."""
    return seed * 1_000_003 + epoch


def epoch_generator(seed: int, epoch: int) -> Generator:
    """Return a generator for the order and the random changes of an epoch's data."""
    return Generator().manual_seed(epoch_seed(seed, epoch))


def training_batches(
    split: ImageSplit,
    batch_size: int,
    generator: Generator,
    transforms: Sequence[Callable[[Tensor, Generator], Tensor]] = (),
) -> Iterator[Batch]:
    """Yield shuffled, transformed images (B, C, H, W) uint8 of `split`, and their labels (B,).

    The last partial batch is dropped, because batch statistics over a few images are noise.
    """
    for batch in split.batches(batch_size, generator):
        images_BCHW = batch.images_NCHW
        for transform in transforms:
            images_BCHW = transform(images_BCHW, generator)
        yield images_BCHW, batch.labels_N
