"""Folders of data sets and of derived data, downloads, and how a user's paths are serialized.

A run's recipe holds them in full, a published model's by name.
"""

import os
import stat
from pathlib import Path
from typing import Annotated

import torch
from pydantic import PlainSerializer, SerializationInfo

from training.errors import DataError


def data_dir() -> Path:
    """Return `$DEEPSHELF_DATA`, or `~/.cache/deepshelf` by default."""
    configured = os.environ.get("DEEPSHELF_DATA")
    return Path(configured) if configured else _default_cache_dir()


def scratch_dir() -> Path:
    """Return the folder for derived data: `data_dir()`, or the home cache when that is read-only.

    The folder's mode decides, because root may write to folders that are meant to be read-only.
    """
    preferred = data_dir().absolute()
    existing = next(folder for folder in (preferred, *preferred.parents) if folder.exists())
    is_writable = bool(existing.stat().st_mode & stat.S_IWUSR)
    return preferred if is_writable and os.access(existing, os.W_OK) else _default_cache_dir()


def resolve_data_path(path: Path) -> Path:
    """Return `path` if it exists, else its counterpart below `data_dir()` if that exists."""
    path = path.expanduser()
    cached = data_dir() / path
    return cached if not path.exists() and cached.exists() else path


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "deepshelf"


def download(url: str, sha256: str, target: Path, alternative: str) -> Path:
    """Return `target`, downloaded from `url` unless it exists. It appears whole or not at all.

    Args:
        url: where the file is.
        sha256: checksum of the file, or its first digits.
        target: path of the file.
        alternative: setting that takes a file of the user's own, for the error message.

    Raises:
        DataError: when the file cannot be downloaded or written, or has another checksum.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target), sha256, progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: another checksum
        raise DataError(
            f"{target} does not exist, and downloading {url} failed: {error}. Put the file there, "
            f"set DEEPSHELF_DATA to the folder of your data sets, or set {alternative}"
        ) from error
    return target


def folder_name(path: Path) -> str:
    """Return the last part of the resolved path, so that "." and "data/.." also have a name."""
    return path.expanduser().resolve().name or "folder"


def _redact_path(path: Path, info: SerializationInfo) -> str:
    published = isinstance(info.context, dict) and info.context.get("published", False)
    return folder_name(path) if published else str(path)


def _redact_absolute_path(path: Path, info: SerializationInfo) -> str:
    relative = not path.is_absolute() and not {"..", "~"} & set(path.parts)
    return str(path) if relative else _redact_path(path, info)


UserPath = Annotated[Path, PlainSerializer(_redact_path, return_type=str)]
"""A path that is serialized in full; with context={"published": True}, only its last part.

A run must find its data again; a published model must not reveal its maker's folders.
"""

CachedPath = Annotated[Path, PlainSerializer(_redact_absolute_path, return_type=str)]
"""A path that is looked up in the working directory, then in the cache.

It is redacted like `UserPath`, but stays in full if relative: it names no machine then, and a
published recipe finds the same data on another machine.
"""
