"""Folders of downloaded data sets and of derived data, and downloads with a checksum."""

import os
import stat
from pathlib import Path

import torch

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
