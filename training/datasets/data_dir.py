"""Folders of downloaded data sets and of derived data that is stored between runs."""

import os
import stat
from pathlib import Path


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
