"""The user's images, resized to one size: a folder per class, or one folder without classes.

`ImageFolderCV` splits the images of classes into folds for cross-validation.
"""

import hashlib
import logging
from collections import Counter
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from sklearn.model_selection import StratifiedKFold
from torch import Generator, Tensor

from models_store.base import FrozenModel
from training.datasets.base import (
    ImageData,
    ImageSplit,
    class_counts,
    concatenate,
    split_validation,
)
from training.datasets.data_dir import CachedPath, UserPath, folder_name, resolve_data_path
from training.datasets.image_files import (
    OnUnreadable,
    find_image_files,
    list_class_files,
    list_class_folders,
    read_image_files,
    reject_similar_names,
)
from training.datasets.image_io import ColorMode, ResizeMode, read_resized_image
from training.errors import DataError

logger = logging.getLogger(__name__)
_FileVersion = tuple[Path, int, int]
"""A file, its size and its modification time; a file is read again when either changes."""


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


class ImageFolderCV(FrozenModel):
    """`<path>/<class>/<photograph>`, several paths as one set, all of it in memory.

    Without `held_out`, every photograph is for training and the test split is empty.
    """

    kind: Literal["photos"] = "photos"
    paths: Annotated[tuple[CachedPath, ...], Field(min_length=1)]
    """Folders. Relative paths are looked up in the working directory, then in the cache."""
    size: PositiveInt = 224
    """Height and width."""
    resize: ResizeMode = "crop"
    folds: Annotated[int, Field(ge=2)] = 5
    held_out: NonNegativeInt | None = None
    """Index of the fold to test on, from 0."""
    seed: NonNegativeInt = 0
    """Assigns the photographs to folds; it affects nothing else."""
    unreadable: OnUnreadable = "skip"
    title: str | None = None
    """Title of the data set. Default: the name of the first folder."""
    licence: str = "the maker's own photographs; terms not stated"
    source: str | None = None

    @model_validator(mode="after")
    def _validate_fold(self) -> Self:
        if self.held_out is not None and self.held_out >= self.folds:
            raise ValueError(f"held_out is {self.held_out}, but folds are 0 to {self.folds - 1}")
        return self

    def load(self) -> ImageData:
        """Raise DataError, naming the folder, class or file, if the photographs cannot be used."""
        roots = [resolve_data_path(path) for path in self.paths]
        files = _list_files(roots)
        images = _read_images(
            tuple(map(_file_version, files)), self.size, self.resize, self.unreadable
        )
        labels = tuple(sorted({file.parent.name for file in images}))
        split = ImageSplit(
            torch.stack(list(images.values())),
            torch.tensor([labels.index(file.parent.name) for file in images]),
        )
        train, test = self._split_fold(split, labels)
        title = self.title or folder_name(roots[0])
        return ImageData(
            title=title,
            licence=self.licence,
            source=self.source or f"folder {title}",
            labels=labels,
            train=split.subset(train),
            test=split.subset(test),
        )

    def _split_fold(self, split: ImageSplit, labels: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Return training and test indices; each fold has its share of every class."""
        if self.held_out is None:
            return torch.arange(len(split)), torch.arange(0)
        rarest, count = min(Counter(split.labels_N.tolist()).items(), key=lambda item: item[1])
        if count < self.folds:
            raise DataError(
                f"class {labels[rarest]!r} has {count} photographs: too few for {self.folds} folds"
            )
        splitter = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        folds = list(splitter.split(np.zeros(len(split)), split.labels_N.numpy()))
        train, test = folds[self.held_out]
        return torch.from_numpy(train), torch.from_numpy(test)


def _list_files(roots: list[Path]) -> list[Path]:
    """Return every photograph of every class, sorted by class and then by root."""
    folders = [folder for root in roots for folder in list_class_folders(root)]
    reject_similar_names(folders)
    folders.sort(key=lambda folder: folder.name)
    return [file for folder in folders for file in list_class_files(folder)]


def _file_version(file: Path) -> _FileVersion:
    status = file.stat()
    return file, status.st_size, status.st_mtime_ns


# Every fold reads the same photographs, and decoding takes longer than training a head on them.
@lru_cache(maxsize=1)
def _read_images(
    stamps: tuple[_FileVersion, ...], size: int, resize: ResizeMode, unreadable: OnUnreadable
) -> dict[Path, Tensor]:
    """Return uint8 images (3, size, size) by file."""
    read_file = partial(read_resized_image, size_HW=(size, size), mode="RGB", resize=resize)
    files, images = [file for file, *_ in stamps], dict[Path, Tensor]()
    for _, of_class in groupby(files, key=lambda file: file.parent.name):
        images |= read_image_files(list(of_class), read_file, unreadable)
    return _drop_duplicates(images)


def _drop_duplicates(images: dict[Path, Tensor]) -> dict[Path, Tensor]:
    """Remove copies, because a copy in another fold would be tested after training on it."""
    originals: dict[bytes, Path] = {}
    duplicates = []
    for file, image in images.items():
        original = originals.setdefault(hashlib.sha256(image.numpy().tobytes()).digest(), file)
        if original.parent.name != file.parent.name:
            raise DataError(f"{original} and {file} are the same photograph in two classes")
        if original != file:
            duplicates.append(file)
    if duplicates:
        names = ", ".join(map(str, duplicates))
        logger.warning("%d duplicate photographs skipped: %s", len(duplicates), names)
    return {file: images[file] for file in originals.values()}
