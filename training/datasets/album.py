"""Photographs of any size, from folders of one's own or of a research data set."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, SerializationInfo, field_serializer
from torch import Generator, Tensor

from models_store.base import FrozenModel
from training.datasets.class_folders import OnUnreadable, read_image_files
from training.datasets.data_dir import resolve_data_path
from training.datasets.image_io import read_downscaled_image
from training.datasets.image_patches import PatchData, PatchSplit
from training.datasets.path_redaction import folder_name, redact_cached_path
from training.datasets.unlabelled_image_folder import find_image_files
from training.errors import DataError

__all__ = ["ImagePatches"]


class ImagePatches(FrozenModel):
    """Every image below `paths`, each at its own size, cut into random patches to learn from.

    What is measured lies below `test_paths`; without any, a share of `paths` is held back.
    """

    kind: Literal["album"] = "album"
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Looked for here, then in the cache."""
    test_paths: tuple[Path, ...] = ()
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the images, at least one; only without `test_paths`."""
    validation_size: NonNegativeInt = 0
    patch: Annotated[int, Field(ge=8)] = 96
    """Height and width of a patch, in pixels."""
    patches_per_picture: PositiveInt = 4
    """In one epoch."""
    longest_side: Annotated[int, Field(ge=8)] = 1024
    """Larger images are reduced to it when they are read: a thousand photographs from a camera
    would otherwise fill the memory, and reduced ones are sharper and less noisy."""
    seed: NonNegativeInt = 0
    """Chooses the images held back, and nothing else."""
    unreadable: OnUnreadable = "stop"
    title: str | None = None
    """The names of the folders when left out."""
    test_title: str | None = None
    licence: str = "the user's own pictures; terms not stated"
    source: str | None = None

    @field_serializer("paths", "test_paths")
    def _serialize_paths(self, paths: tuple[Path, ...], info: SerializationInfo) -> list[str]:
        return [redact_cached_path(path, info) for path in paths]

    def load(self) -> PatchData:
        """Raises DataError, naming the folder or file, when there is nothing usable there."""
        images = self._read_images(self.paths)
        order = torch.randperm(len(images), generator=Generator().manual_seed(self.seed)).tolist()
        shuffled = [images[index] for index in order]
        title = self.title or ", ".join(folder_name(resolve_data_path(path)) for path in self.paths)
        if self.test_paths:
            test = self._read_images(self.test_paths)
            names = ", ".join(folder_name(resolve_data_path(path)) for path in self.test_paths)
        else:
            count = max(1, round(self.test_fraction * len(shuffled)))
            test, shuffled = shuffled[:count], shuffled[count:]
            names = title
        validation, train = shuffled[: self.validation_size], shuffled[self.validation_size :]
        if not train:
            raise DataError(f"{title} holds {len(images)} images: too few to learn from")
        return PatchData(
            title=title,
            test_title=self.test_title or names,
            licence=self.licence,
            source=self.source or f"folder {title}",
            patch=self.patch,
            patches_per_image=self.patches_per_picture,
            train=PatchSplit(tuple(train)),
            test=PatchSplit(tuple(test)),
            validation=PatchSplit(tuple(validation)) if validation else None,
        )

    def _read_images(self, paths: tuple[Path, ...]) -> list[Tensor]:
        files = [file for path in paths for file in find_image_files(resolve_data_path(path))]
        read = read_image_files(
            files, lambda file: read_downscaled_image(file, self.longest_side), self.unreadable
        )
        return list(read.values())
