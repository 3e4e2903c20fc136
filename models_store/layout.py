"""Paths of the model store: `<store>/<name>/<version>/`."""

import difflib
import hashlib
import re
from pathlib import Path

from models_store.errors import LayoutError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"

NAME_RULE = (
    "2 to 64 lower-case letters, digits or hyphens, beginning with a letter and not ending in a "
    "hyphen"
)
"""The rule for model names, for messages."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def list_model_names(store: Path) -> list[str]:
    """Return the sorted names of models in the store; other folders are skipped.

    Symbolic links are ignored, because their targets could change without being published.

    Raises:
        LayoutError: when `store` is not a directory.
    """
    if not store.is_dir():
        raise LayoutError(f"there is no store at {store}; set DEEPSHELF_STORE to its folder")
    return sorted(entry.name for entry in store.iterdir() if list_versions(store, entry.name))


def list_versions(store: Path, name: str) -> list[int]:
    """Return the versions of a model, ascending; staging directories are not included.

    An invalid `name` gives an empty list and never reaches the file system.
    """
    if not is_valid_name(name) or not _is_real_dir(store / name):
        return []
    return sorted(
        int(entry.name)
        for entry in (store / name).iterdir()
        if _VERSION.fullmatch(entry.name) and _is_real_dir(entry)
    )


def next_version(store: Path, name: str) -> int:
    """Return the highest number in use (by a folder, file or link) plus one."""
    names = (entry.name for entry in (store / validate_name(name)).iterdir())
    return 1 + max((int(number) for number in names if _VERSION.fullmatch(number)), default=0)


def version_dir(store: Path, name: str, version: int) -> Path:
    """Return the folder of one version.

    Raises:
        LayoutError: when it does not exist; the message names the versions or models that do.
    """
    available = list_versions(store, validate_name(name))
    if not available:
        raise LayoutError(f"there is no model {name} in {store}; {_similar_names(store, name)}")
    if version not in available:
        known = ", ".join(map(str, available))
        raise LayoutError(f"{name} has no version {version} in {store}; versions: {known}")
    return store / name / str(version)


def _similar_names(store: Path, name: str) -> str:
    names = list_model_names(store)
    near = difflib.get_close_matches(name, names)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"models: {', '.join(names)}" if names else "the store is empty"


def is_valid_name(name: str) -> bool:
    """Return True if `name` is a valid model name."""
    return _NAME.fullmatch(name) is not None


def validate_name(name: str) -> str:
    """Return `name` if it is a valid model name.

    Raises:
        LayoutError: with the rule for names.
    """
    if not is_valid_name(name):
        raise LayoutError(f"{name!r} is not a model name: it must be {NAME_RULE}")
    return name


def _is_real_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
