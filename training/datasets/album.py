"""Photographs of any size, from the user's folders or a research data set."""

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
    """Every image below `paths`, at its own size, cut into random patches for training.

    Images below `test_paths` are the test split; without `test_paths`, a share of `paths` is.
    """

    kind: Literal["album"] = "album"
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Folders. Relative paths are looked up in the working directory, then in the cache."""
    test_paths: tuple[Path, ...] = ()
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the images for testing, at least one image; used only without `test_paths`."""
    validation_size: NonNegativeInt = 0
    patch: Annotated[int, Field(ge=8)] = 96
    """Height and width of a patch, in pixels."""
    patches_per_picture: PositiveInt = 4
    """Patches that one epoch takes from each image."""
    longest_side: Annotated[int, Field(ge=8)] = 1024
    """Larger images are reduced to this when they are read. A thousand photographs from a camera
    would otherwise fill the memory, and reduced ones are sharper and less noisy."""
    seed: NonNegativeInt = 0
    """Selects the images that are held out; it affects nothing else."""
    unreadable: OnUnreadable = "stop"
    title: str | None = None
    """Title of the data set. Default: the names of the folders."""
    test_title: str | None = None
    licence: str = "the user's own pictures; terms not stated"
    source: str | None = None

    @field_serializer("paths", "test_paths")
    def _serialize_paths(self, paths: tuple[Path, ...], info: SerializationInfo) -> list[str]:
        return [redact_cached_path(path, info) for path in paths]

    def load(self) -> PatchData:
        """Raise DataError, naming the folder or file, if no image can be used."""
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
            raise DataError(f"{title} holds {len(images)} images: too few to train on")
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
        images_by_file = read_image_files(
            files, lambda file: read_downscaled_image(file, self.longest_side), self.unreadable
        )
        return list(images_by_file.values())
