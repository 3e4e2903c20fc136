"""Image files in folders, with or without a folder for each class."""

import logging
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from training.errors import DataError

logger = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm",
     ".png", ".ppm", ".tif", ".tiff", ".webp"}
)  # fmt: skip
"""Extensions of image files; other files in a folder are skipped and counted."""
_RAW_EXTENSIONS = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos",
     ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)  # fmt: skip

OnUnreadable = Literal["stop", "skip"]
"""Action for a file that cannot be decoded: fail, or skip it and name it in a warning."""


def list_image_files(folder: Path) -> list[Path]:
    """Return the images directly in `folder`, sorted by name; hidden files are skipped."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def _describe_other_files(folders: Iterable[Path]) -> str:
    """Return how many files of each kind in `folders` are not images, each kind with an example.

    Hidden files are not counted; empty if there are no others.
    """
    names: dict[str, list[str]] = {}
    for path in sorted(path for folder in set(folders) for path in folder.iterdir()):
        suffix = path.suffix.lower()
        if path.name.startswith(".") or not path.is_file() or suffix in EXTENSIONS:
            continue
        kind = f"{suffix} (camera raw)" if suffix in _RAW_EXTENSIONS else suffix
        names.setdefault(kind or "without extension", []).append(path.name)
    return ", ".join(
        f"{len(examples)} {kind}, such as {examples[0]}" for kind, examples in names.items()
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
        raise _no_images(f"{root}", (root, *folders))
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
        hint = "; path must be the folder whose folders are the classes"
        raise _no_images(f"class folder {folder}", [folder], hint)
    return files


def _no_images(subject: str, folders: Iterable[Path], hint: str = "") -> DataError:
    others = _describe_other_files(folders)
    return DataError(
        f"{subject} holds no images ({', '.join(sorted(EXTENSIONS))})"
        f"{f', but {others}' if others else hint}"
    )


def read_image_files(
    files: Sequence[Path], read: Callable[[Path], Tensor], unreadable: OnUnreadable
) -> dict[Path, Tensor]:
    """Return the result of `read` for each file; `read` raises ValueError for an undecodable file.

    A warning counts the other files beside them, by kind.

    Raises:
        DataError: a file cannot be read, or none can.
    """
    if others := _describe_other_files(file.parent for file in files):
        logger.warning("files that are not images are skipped: %s", others)
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
