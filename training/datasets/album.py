"""Photographs of any size, from folders of one's own or of a research data set."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, SerializationInfo, field_serializer
from torch import Generator, Tensor

from models_store.base import Frozen
from training.datasets.class_folders import Unreadable, read_each
from training.datasets.data_dir import located
from training.datasets.image_io import read_whole
from training.datasets.image_patches import AlbumData, AlbumSplit
from training.datasets.path_redaction import name_of, written_cached
from training.datasets.unlabelled_image_folder import files_below
from training.errors import DataError

__all__ = ["Album"]


class Album(Frozen):
    """Every picture below `paths`, each at its own size, cut into random patches to learn from.

    What is measured lies below `test_paths`; without any, a share of `paths` is held back.
    """

    kind: Literal["album"] = "album"
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Looked for here, then in the cache."""
    test_paths: tuple[Path, ...] = ()
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the pictures, at least one; only without `test_paths`."""
    validation_size: NonNegativeInt = 0
    patch: Annotated[int, Field(ge=8)] = 96
    """Height and width of a patch, in pixels."""
    patches_per_picture: PositiveInt = 4
    """In one epoch."""
    longest_side: Annotated[int, Field(ge=8)] = 1024
    """Larger pictures are reduced to it when they are read: a thousand photographs from a camera
    would otherwise fill the memory, and reduced ones are sharper and less noisy."""
    seed: NonNegativeInt = 0
    """Chooses the pictures held back, and nothing else."""
    unreadable: Unreadable = "stop"
    title: str | None = None
    """The names of the folders when left out."""
    test_title: str | None = None
    licence: str = "the user's own pictures; terms not stated"
    source: str | None = None

    @field_serializer("paths", "test_paths")
    def _write_paths(self, paths: tuple[Path, ...], info: SerializationInfo) -> list[str]:
        return [written_cached(path, info) for path in paths]

    def load(self) -> AlbumData:
        """Raises DataError, naming the folder or file, when there is nothing usable there."""
        pictures = self._read(self.paths)
        order = torch.randperm(len(pictures), generator=Generator().manual_seed(self.seed)).tolist()
        shuffled = [pictures[index] for index in order]
        title = self.title or ", ".join(name_of(located(path)) for path in self.paths)
        if self.test_paths:
            test = self._read(self.test_paths)
            names = ", ".join(name_of(located(path)) for path in self.test_paths)
        else:
            count = max(1, round(self.test_fraction * len(shuffled)))
            test, shuffled = shuffled[:count], shuffled[count:]
            names = title
        held, train = shuffled[: self.validation_size], shuffled[self.validation_size :]
        if not train:
            raise DataError(f"{title} holds {len(pictures)} pictures: too few to learn from")
        return AlbumData(
            title=title,
            test_title=self.test_title or names,
            licence=self.licence,
            source=self.source or f"folder {title}",
            patch=self.patch,
            patches_per_picture=self.patches_per_picture,
            train=AlbumSplit(tuple(train)),
            test=AlbumSplit(tuple(test)),
            validation=AlbumSplit(tuple(held)) if held else None,
        )

    def _read(self, paths: tuple[Path, ...]) -> list[Tensor]:
        files = [file for path in paths for file in files_below(located(path))]
        read = read_each(files, lambda file: read_whole(file, self.longest_side), self.unreadable)
        return list(read.values())
