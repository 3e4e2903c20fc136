"""The user's own pictures without classes: a folder, and the folders in it."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, SerializationInfo, field_serializer
from torch import Generator

from models_store.base import Frozen
from training.datasets.base import ImageData, ImageSplit, hold_out
from training.datasets.class_folders import Unreadable, read_each
from training.datasets.image_io import EXTENSIONS, Mode, picture_files, read_picture
from training.datasets.path_redaction import name_of, written
from training.errors import DataError

__all__ = ["Pictures", "files_below"]


class Pictures(Frozen):
    """Every picture below `path`, read once and brought to one size; split by seed."""

    kind: Literal["pictures"] = "pictures"
    path: Path
    """The folder; `~` is the home folder."""
    size: tuple[PositiveInt, PositiveInt] = (64, 64)
    """Height and width: scaled until the picture covers them, then the centre is cut out."""
    mode: Mode = "RGB"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """At least one picture."""
    validation_size: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    """Chooses the test and validation pictures, and nothing else."""
    unreadable: Unreadable = "stop"

    @field_serializer("path")
    def _write_path(self, path: Path, info: SerializationInfo) -> str:
        return written(path, info)

    def load(self) -> ImageData:
        """Raises DataError, naming the folder or file, when there is nothing usable there."""
        root = self.path.expanduser()
        images = read_each(
            files_below(root),
            lambda file: read_picture(file, self.size, self.mode),
            self.unreadable,
        )
        count = max(1, round(self.test_fraction * len(images)))
        if count >= len(images):
            raise DataError(f"{root} holds {len(images)} pictures: too few to learn from")
        every = ImageSplit(torch.stack(list(images.values())), torch.zeros(len(images)).long())
        order = torch.randperm(len(every), generator=Generator().manual_seed(self.seed))
        data = ImageData(
            title=name_of(root),
            licence="the user's own pictures; terms not stated",
            source=f"folder {name_of(root)}",
            labels=(),
            train=every.take(order[count:]),
            test=every.take(order[:count]),
        )
        return hold_out(data, self.validation_size, self.seed)


def files_below(root: Path) -> list[Path]:
    """Every picture in `root` and in the folders in it, hidden ones left out.

    Raises:
        DataError: when it is no folder, or there is none.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder; the data's path must be one with pictures in it")
    folders = sorted(p for p in root.rglob("*") if p.is_dir() and not _hidden(p, root))
    files = [file for folder in (root, *folders) for file in picture_files(folder)]
    if not files:
        raise DataError(f"{root} holds no pictures ({', '.join(sorted(EXTENSIONS))})")
    return files


def _hidden(folder: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in folder.relative_to(root).parts)
