"""Folders per class: which there are, and the images that are in them."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from training.datasets.image_io import EXTENSIONS, list_image_files
from training.errors import DataError

__all__ = ["OnUnreadable", "list_class_files", "list_class_folders", "read_image_files"]

logger = logging.getLogger(__name__)

OnUnreadable = Literal["stop", "skip"]
"""What to do about a file that cannot be decoded; skipped ones are named in a warning."""


def list_class_folders(root: Path) -> list[Path]:
    """The folders of two or more classes, by name; hidden ones are no classes.

    Raises:
        DataError: when there are none, or a single one.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder; path must hold a folder of images per class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(f"{root} holds no class folders; put each class's images in a folder")
    if len(folders) == 1:
        raise DataError(f"{root} holds a single class, {folders[0].name!r}; two or more are needed")
    return folders


def list_class_files(folder: Path) -> list[Path]:
    """The images of one class, by name.

    Raises:
        DataError: when there are none.
    """
    files = list_image_files(folder)
    if not files:
        raise DataError(
            f"class folder {folder} holds no images ({', '.join(sorted(EXTENSIONS))}); "
            "path must be the folder whose folders are the classes"
        )
    return files


def read_image_files(
    files: Sequence[Path], read: Callable[[Path], Tensor], unreadable: OnUnreadable
) -> dict[Path, Tensor]:
    """Each file by `read`, which raises ValueError for one that it cannot decode.

    Raises:
        DataError: naming a file that cannot be read, or saying that none can.
    """
    images, skipped = {}, []
    for file in files:
        try:
            images[file] = read(file)
        except ValueError as error:
            if unreadable == "stop":
                raise DataError(
                    f"{file} cannot be read: {error} (unreadable: skip leaves such files out)"
                ) from error
            skipped.append(file)
    if skipped:
        names = ", ".join(map(str, skipped))
        logger.warning("%d unreadable images left out: %s", len(skipped), names)
    if not images:
        raise DataError(f"class folder {files[0].parent} holds no readable image")
    return images
