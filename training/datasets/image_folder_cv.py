"""The user's own photographs for cross-validation: a folder per class, dealt into folds."""

import hashlib
import logging
from collections import Counter
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializationInfo,
    field_serializer,
    model_validator,
)
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from models_store.base import Frozen
from training.datasets.base import ImageData, ImageSplit
from training.datasets.class_folders import Unreadable, class_files, class_folders, read_each
from training.datasets.data_dir import located
from training.datasets.image_io import Resize, read_picture
from training.datasets.path_redaction import name_of, written_cached
from training.errors import DataError

__all__ = ["Photos"]

logger = logging.getLogger(__name__)

_Stamp = tuple[Path, int, int]
"""A file, its size and when it was written: what is read once while these stay the same."""


class Photos(Frozen):
    """`<path>/<class>/<photograph>`, several paths as one set; all of it in memory.

    Without `held_out`, every photograph is for training and the test split is empty.
    """

    kind: Literal["photos"] = "photos"
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Looked for here, then in the cache."""
    size: PositiveInt = 224
    """Height and width."""
    resize: Resize = "crop"
    folds: Annotated[int, Field(ge=2)] = 5
    held_out: NonNegativeInt | None = None
    """The fold to test on, from 0."""
    seed: NonNegativeInt = 0
    """Deals the photographs into folds, and nothing else."""
    unreadable: Unreadable = "skip"
    title: str | None = None
    """The name of the first folder when left out."""
    licence: str = "the maker's own photographs; terms not stated"
    source: str | None = None

    @model_validator(mode="after")
    def _the_fold_exists(self) -> Self:
        if self.held_out is not None and self.held_out >= self.folds:
            raise ValueError(f"held_out is {self.held_out}, but folds are 0 to {self.folds - 1}")
        return self

    @field_serializer("paths")
    def _write_paths(self, paths: tuple[Path, ...], info: SerializationInfo) -> list[str]:
        return [written_cached(path, info) for path in paths]

    def load(self) -> ImageData:
        """Raises DataError, naming the folder, class or file, when there is nothing usable."""
        roots = [located(path) for path in self.paths]
        files = _files(roots)
        every = _read(tuple(map(_stamp, files)), self.size, self.resize, self.unreadable)
        labels = tuple(sorted({file.parent.name for file in every}))
        split = ImageSplit(
            torch.stack(list(every.values())),
            torch.tensor([labels.index(file.parent.name) for file in every]),
        )
        train, test = self._deal(split, labels)
        title = self.title or name_of(roots[0])
        return ImageData(
            title=title,
            licence=self.licence,
            source=self.source or f"folder {title}",
            labels=labels,
            train=split.take(train),
            test=split.take(test),
        )

    def _deal(self, split: ImageSplit, labels: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Indices to train and to test on; each fold has its share of every class."""
        if self.held_out is None:
            return torch.arange(len(split)), torch.arange(0)
        rarest, count = min(Counter(split.labels_N.tolist()).items(), key=lambda item: item[1])
        if count < self.folds:
            raise DataError(
                f"class {labels[rarest]!r} has {count} photographs: too few for {self.folds} folds"
            )
        dealer = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        parts = list(dealer.split(np.zeros(len(split)), split.labels_N.numpy()))
        train, test = parts[self.held_out]
        return torch.from_numpy(train), torch.from_numpy(test)


def _files(roots: list[Path]) -> list[Path]:
    """Every photograph of every class, by class and then by root."""
    folders = [folder for root in roots for folder in class_folders(root)]
    folders.sort(key=lambda folder: folder.name)
    return [file for folder in folders for file in class_files(folder)]


def _stamp(file: Path) -> _Stamp:
    status = file.stat()
    return file, status.st_size, status.st_mtime_ns


# Every fold reads the same photographs, and decoding takes longer than training a head on them.
@lru_cache(maxsize=1)
def _read(
    stamps: tuple[_Stamp, ...], size: int, resize: Resize, unreadable: Unreadable
) -> dict[Path, Tensor]:
    """uint8 (3, size, size) by file, each photograph once."""
    read = partial(read_picture, size_HW=(size, size), mode="RGB", resize=resize)
    by_class: dict[str, list[Path]] = {}
    for file, *_ in stamps:
        by_class.setdefault(file.parent.name, []).append(file)
    pictures: dict[Path, Tensor] = {}
    for files in by_class.values():
        pictures |= read_each(files, read, unreadable)
    return _without_copies(pictures)


def _without_copies(pictures: dict[Path, Tensor]) -> dict[Path, Tensor]:
    """Each photograph once: a copy in another fold would be tested on what was learnt by heart."""
    first: dict[bytes, Path] = {}
    copies = []
    for file, image in pictures.items():
        original = first.setdefault(hashlib.sha256(image.numpy().tobytes()).digest(), file)
        if original.parent.name != file.parent.name:
            raise DataError(f"{original} and {file} are the same photograph in two classes")
        if original != file:
            copies.append(file)
    if copies:
        names = ", ".join(map(str, copies))
        logger.warning("%d photographs are there twice; left out: %s", len(copies), names)
    return {file: pictures[file] for file in first.values()}
