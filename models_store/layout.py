"""Where things lie on the shelf: `<store>/<name>/<version>/`. Paths and hashes, no contents."""

import hashlib
import re
from pathlib import Path

from models_store.errors import LayoutError

__all__ = ["MANIFEST", "model_names", "sha256_of", "version_dir", "versions"]

MANIFEST = "manifest.json"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def model_names(store: Path) -> list[str]:
    """Names on the shelf, sorted; other folders (a package's own, hidden ones) are passed over.

    Raises:
        LayoutError: when `store` is no folder.
    """
    if not store.is_dir():
        raise LayoutError(f"there is no store at {store}; DEEPSHELF_STORE says where it lies")
    return sorted(
        entry.name
        for entry in store.iterdir()
        if _NAME.fullmatch(entry.name) and entry.is_dir() and versions(store, entry.name)
    )


def versions(store: Path, name: str) -> list[int]:
    """The versions of a model, ascending. What is still being written has another name."""
    folder = store / name
    if not folder.is_dir():
        return []
    return sorted(
        int(entry.name)
        for entry in folder.iterdir()
        if _VERSION.fullmatch(entry.name) and entry.is_dir()
    )


def version_dir(store: Path, name: str, version: int) -> Path:
    """The folder of one version.

    Raises:
        LayoutError: when there is none; it names what there is. `name` is never used as a path
            before it has proved to be a plain name.
    """
    if not _NAME.fullmatch(name):
        raise LayoutError(f"{name!r} is no model name: a-z, 0-9 and '-', starting with a letter")
    folder = store / name / str(version)
    if not folder.is_dir():
        there = ", ".join(map(str, versions(store, name))) or "none"
        raise LayoutError(f"{name} has no version {version} in {store}; versions there: {there}")
    return folder


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
