"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 images of 32×32 in ten classes."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt
from torchvision import datasets

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation
from training.datasets.data_dir import data_dir
from training.datasets.packed_jpeg import read_packed_splits
from training.errors import DataError

LABELS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


class Cifar10(FrozenModel):
    """CIFAR-10, downloaded with torchvision's checksum or read from a packed copy."""

    kind: Literal["cifar10"] = "cifar10"
    copy_: Literal["torchvision", "packed"] = Field("torchvision", alias="copy")
    """`packed` reads `cifar10/train-*.npz` and `cifar10/test.npz` (see `packed_jpeg.py`)."""
    validation_size: NonNegativeInt = 0

    def load(self) -> ImageData:
        """Raise DataError if the data is neither in the cache nor can be downloaded."""
        packed = self.copy_ == "packed"
        root = data_dir() / "cifar10"
        train, test = (
            read_packed_splits(root, len(LABELS), (3, 32, 32))
            if packed
            else _load_torchvision(root)
        )
        return split_validation(
            ImageData(
                title="CIFAR-10 (JPEG copy)" if packed else "CIFAR-10",
                licence="no explicit licence; cite Krizhevsky 2009",
                source="https://www.cs.toronto.edu/~kriz/cifar.html",
                labels=LABELS,
                train=train,
                test=test,
            ),
            self.validation_size,
        )


def _load_torchvision(root: Path) -> tuple[ImageSplit, ImageSplit]:
    try:
        sets = [datasets.CIFAR10(root, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 is not complete under {root} and could not be downloaded: {error}. "
            f"Put {datasets.CIFAR10.url} into that folder"
        ) from error
    return _split(sets[0]), _split(sets[1])


def _split(data: datasets.CIFAR10) -> ImageSplit:
    images_NCHW = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageSplit(images_NCHW, torch.tensor(data.targets))
