"""The user's images without classes: a folder and its subfolders."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, SerializationInfo, field_serializer
from torch import Generator

from models_store.base import FrozenModel
from training.datasets.base import ImageData, ImageSplit, split_validation
from training.datasets.class_folders import OnUnreadable, read_image_files
from training.datasets.image_io import EXTENSIONS, ColorMode, list_image_files, read_resized_image
from training.datasets.path_redaction import folder_name, redact_path
from training.errors import DataError

__all__ = ["UnlabelledImageFolder", "find_image_files"]


class UnlabelledImageFolder(FrozenModel):
    """Every image below `path`, read once, resized to one size, and split by the seed."""

    kind: Literal["pictures"] = "pictures"
    path: Path
    """The folder; `~` is the home folder."""
    size: tuple[PositiveInt, PositiveInt] = (64, 64)
    """Height and width: an image is scaled until it covers them, then cropped to the centre."""
    mode: ColorMode = "RGB"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the images for testing, at least one image."""
    validation_size: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    """Selects the test and validation images; it affects nothing else."""
    unreadable: OnUnreadable = "stop"

    @field_serializer("path")
    def _serialize_path(self, path: Path, info: SerializationInfo) -> str:
        return redact_path(path, info)

    def load(self) -> ImageData:
        """Raise DataError, naming the folder or file, if no image can be used."""
        root = self.path.expanduser()
        images = read_image_files(
            find_image_files(root),
            lambda file: read_resized_image(file, self.size, self.mode),
            self.unreadable,
        )
        count = max(1, round(self.test_fraction * len(images)))
        if count >= len(images):
            raise DataError(f"{root} holds {len(images)} images: too few to train on")
        split = ImageSplit(torch.stack(list(images.values())), torch.zeros(len(images)).long())
        order = torch.randperm(len(split), generator=Generator().manual_seed(self.seed))
        data = ImageData(
            title=folder_name(root),
            licence="the user's own pictures; terms not stated",
            source=f"folder {folder_name(root)}",
            labels=(),
            train=split.subset(order[count:]),
            test=split.subset(order[:count]),
        )
        return split_validation(data, self.validation_size, self.seed)


def find_image_files(root: Path) -> list[Path]:
    """Return every image in `root` and its subfolders, except hidden ones.

    Raises:
        DataError: `root` is not a folder, or holds no image.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; data.path must be a folder of images")
    folders = sorted(p for p in root.rglob("*") if p.is_dir() and not _is_hidden(p, root))
    files = [file for folder in (root, *folders) for file in list_image_files(folder)]
    if not files:
        raise DataError(f"{root} holds no images ({', '.join(sorted(EXTENSIONS))})")
    return files


def _is_hidden(folder: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in folder.relative_to(root).parts)
