"""Image files in folders, with or without a folder for each class."""

import logging
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from training.errors import DataError

__all__ = [
    "OnUnreadable",
    "find_image_files",
    "list_class_files",
    "list_class_folders",
    "list_image_files",
    "read_image_files",
    "reject_similar_names",
]

logger = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Extensions of image files; other files in a folder are ignored."""

OnUnreadable = Literal["stop", "skip"]
"""Action for a file that cannot be decoded: fail, or skip it and name it in a warning."""


def list_image_files(folder: Path) -> list[Path]:
    """Return the images directly in `folder`, sorted by name; hidden files are skipped."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def find_image_files(root: Path) -> list[Path]:
    """Return every image in `root` and its subfolders, except hidden ones.

    Raises:
        DataError: `root` is not a folder, or holds no image.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of images")
    folders = sorted(p for p in root.rglob("*") if p.is_dir() and not _is_hidden(p, root))
    files = [file for folder in (root, *folders) for file in list_image_files(folder)]
    if not files:
        raise DataError(f"{root} holds no images ({', '.join(sorted(EXTENSIONS))})")
    return files


def _is_hidden(folder: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in folder.relative_to(root).parts)


def list_class_folders(root: Path) -> list[Path]:
    """Return the folders of two or more classes, sorted by name; hidden folders are skipped.

    Raises:
        DataError: `root` holds no class folder or only one, or names that look alike.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; path must hold a folder of images for each class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(f"{root} holds no class folders; put each class's images in a folder")
    if len(folders) == 1:
        raise DataError(f"{root} holds a single class, {folders[0].name!r}; two or more are needed")
    reject_similar_names(folders)
    return folders


def reject_similar_names(folders: Sequence[Path]) -> None:
    """Reject class folders whose names differ only in case or Unicode normalisation.

    Some file systems make them one folder, others two. Equal names are one class.

    Raises:
        DataError: names both folders.
    """
    seen: dict[str, Path] = {}
    for folder in folders:
        key = unicodedata.normalize("NFKC", folder.name.casefold())
        other = seen.setdefault(key, folder)
        if other.name != folder.name:
            raise DataError(
                f"class folders {_describe_name(other)} and {_describe_name(folder)} differ only "
                "in case or Unicode normalisation; give one class one name"
            )


def _describe_name(folder: Path) -> str:
    """Return the path, with the name in ASCII too where two of them could look the same."""
    return str(folder) if folder.name.isascii() else f"{folder} ({folder.name!a})"


def list_class_files(folder: Path) -> list[Path]:
    """Return the images of one class, sorted by name.

    Raises:
        DataError: `folder` holds no image.
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
    """Return the result of `read` for each file; `read` raises ValueError for an undecodable file.

    Raises:
        DataError: a file cannot be read, or none can.
    """
    images, skipped = {}, []
    for file in files:
        try:
            images[file] = read(file)
        except ValueError as error:
            if unreadable == "stop":
                raise DataError(
                    f"{file} cannot be read: {error} (set unreadable: skip to skip such files)"
                ) from error
            skipped.append(file)
    if skipped:
        names = ", ".join(map(str, skipped))
        logger.warning("%d unreadable images skipped: %s", len(skipped), names)
    if not images:
        raise DataError(f"{files[0].parent} holds no readable image")
    return images
