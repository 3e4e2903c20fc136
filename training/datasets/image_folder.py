"""The user's images, resized to one size: a folder per class, or one folder without classes."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Generator, Tensor

from models_store.base import FrozenModel
from training.datasets.base import (
    ImageData,
    ImageSplit,
    class_counts,
    concatenate,
    split_validation,
)
from training.datasets.data_dir import UserPath, folder_name
from training.datasets.image_files import (
    OnUnreadable,
    find_image_files,
    list_class_files,
    list_class_folders,
    read_image_files,
)
from training.datasets.image_io import ColorMode, read_resized_image
from training.errors import DataError


class _ResizedImages(FrozenModel):
    """Images of a folder, read once, resized to one size, split by class and seed."""

    path: UserPath
    """The folder; `~` is the home folder."""
    size: tuple[PositiveInt, PositiveInt]
    """Height and width: an image is scaled until it covers them, then cropped to the centre."""
    mode: ColorMode = "RGB"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of each class for testing; at least one image."""
    validation_size: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    """Selects the test and validation images; it affects nothing else."""
    unreadable: OnUnreadable = "stop"

    def load(self) -> ImageData:
        """Raise DataError, naming the folder or file, if no image can be used."""
        root = self.path.expanduser()
        folders = self._list_folders(root)
        classes = [self._read_images(files) for files in folders.values()]
        generator = Generator().manual_seed(self.seed)
        train, test = [], []
        for label, (name, images_NCHW) in enumerate(zip(folders, classes, strict=True)):
            count = self._test_count(name, len(images_NCHW))
            order = torch.randperm(len(images_NCHW), generator=generator)
            split = ImageSplit(images_NCHW, torch.full((len(images_NCHW),), label))
            test.append(split.subset(order[:count]))
            train.append(split.subset(order[count:]))
        data = ImageData(
            title=folder_name(root),
            licence="the user's own images; terms not stated",
            source=f"folder {folder_name(root)}",
            labels=tuple(folders) if len(folders) > 1 else (),
            train=_concatenate_shuffled(train, generator),
            test=_concatenate_shuffled(test, generator),
        )
        return _require_every_class(split_validation(data, self.validation_size, self.seed))

    def _list_folders(self, root: Path) -> dict[str, list[Path]]:
        """Return the image files of each class, or of the one folder without classes."""
        raise NotImplementedError

    def _read_images(self, files: list[Path]) -> Tensor:
        def read(file: Path) -> Tensor:
            return read_resized_image(file, self.size, self.mode)

        return torch.stack(list(read_image_files(files, read, self.unreadable).values()))

    def _test_count(self, folder: str, total: int) -> int:
        count = max(1, round(self.test_fraction * total))
        if count >= total:
            raise DataError(
                f"{folder} holds {total} images: too few to train on some and test on "
                f"{self.test_fraction:.0%}"
            )
        return count


class ImageFolder(_ResizedImages):
    """Images in `path/<class>/<image>`."""

    kind: Literal["folder"] = "folder"

    def _list_folders(self, root: Path) -> dict[str, list[Path]]:
        return {folder.name: list_class_files(folder) for folder in list_class_folders(root)}


class UnlabelledImageFolder(_ResizedImages):
    """Every image below `path`, without classes."""

    kind: Literal["pictures"] = "pictures"
    size: tuple[PositiveInt, PositiveInt] = (64, 64)
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1

    def _list_folders(self, root: Path) -> dict[str, list[Path]]:
        return {folder_name(root): find_image_files(root)}


def _concatenate_shuffled(parts: list[ImageSplit], generator: Generator) -> ImageSplit:
    """Concatenate and shuffle all parts, so that a split does not start with one class only."""
    if len(parts) == 1:
        return parts[0]  # already shuffled
    joined = concatenate(parts)
    return joined.subset(torch.randperm(len(joined), generator=generator))


def _require_every_class(data: ImageData) -> ImageData:
    counts = class_counts(data.train.labels_N, data.labels) if data.labels else {}
    missing = [name for name, count in counts.items() if not count]
    if missing:
        raise DataError(
            f"validation_size is {len(data.validation or ())}, which leaves no image of "
            f"{', '.join(missing)} to train on"
        )
    return data
