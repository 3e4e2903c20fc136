"""What a data set is to the rest of training: decoded pictures in memory, split and identified.

Decoded once and kept as uint8: the augmentation and the network then never wait for a decoder.
CIFAR-10 takes 184 MB so.

Shapes: N pictures, C channels, H height, W width.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from training.errors import DataError

__all__ = ["DataConfigProtocol", "ImageData", "ImageSplit", "hold_out"]


@dataclass(frozen=True)
class ImageSplit:
    """Pictures `images_NCHW` (uint8) and their classes `labels_N` (int64)."""

    images_NCHW: Tensor
    labels_N: Tensor

    def __len__(self) -> int:
        return len(self.images_NCHW)

    def take(self, indices: Tensor) -> "ImageSplit":
        return ImageSplit(self.images_NCHW[indices], self.labels_N[indices])

    @property
    def sha256(self) -> str:
        """Of pixels and labels, so that a figure names the data that it was measured on."""
        digest = hashlib.sha256(str(tuple(self.images_NCHW.shape)).encode())
        digest.update(self.images_NCHW.numpy().tobytes())
        digest.update(self.labels_N.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageData:
    """A data set in memory. `validation` is held out of training; `test` is only ever measured."""

    title: str
    licence: str
    source: str
    labels: tuple[str, ...]
    train: ImageSplit
    test: ImageSplit
    validation: ImageSplit | None = None

    @property
    def channels(self) -> int:
        return int(self.train.images_NCHW.shape[1])

    @property
    def size_HW(self) -> tuple[int, int]:
        height, width = self.train.images_NCHW.shape[2:]
        return int(height), int(width)

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per channel over the training pictures, in 0–1."""
        pixels = self.train.images_NCHW.flatten(2)
        # Sums of squares in float64 over uint8 histograms: exact, and no float copy of the set.
        values = torch.arange(256, dtype=torch.float64) / 255
        means, deviations = [], []
        for channel in range(self.channels):
            weights = torch.bincount(pixels[:, channel].flatten().long(), minlength=256).double()
            weights /= weights.sum()
            mean = float((weights * values).sum())
            means.append(mean)
            deviations.append(float((weights * (values - mean) ** 2).sum()) ** 0.5)
        return means, deviations


class DataConfigProtocol(Protocol):
    """What every data set's recipe entry can do."""

    def load(self) -> ImageData: ...


def hold_out(data: ImageData, size: int, seed: int = 0) -> ImageData:
    """`data` with `size` training pictures moved to `validation`, chosen by `seed`.

    Raises:
        DataError: when fewer than one picture would be left to train on.
    """
    if size == 0:
        return data
    if size >= len(data.train):
        raise DataError(
            f"validation_size is {size}, but {data.title} has {len(data.train)} training pictures"
        )
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    return replace(
        data, validation=data.train.take(order[:size]), train=data.train.take(order[size:])
    )


def class_counts(labels: Tensor, names: Sequence[str]) -> dict[str, int]:
    """How many pictures each class has, in the order of `names`."""
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True))
