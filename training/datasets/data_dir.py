"""Where fetched data sets live, and what is worth keeping between runs."""

import os
import stat
from pathlib import Path

__all__ = ["data_dir", "resolve_data_path", "scratch_dir"]


def data_dir() -> Path:
    """`$DEEPSHELF_DATA`, or `~/.cache/deepshelf`."""
    configured = os.environ.get("DEEPSHELF_DATA")
    return Path(configured) if configured else _default_cache_dir()


def scratch_dir() -> Path:
    """Where derived data is kept: `data_dir()`, or the home cache when that is read-only.

    Asked of the folder itself, because root may write where nobody is meant to.
    """
    preferred = data_dir().absolute()
    existing = next(folder for folder in (preferred, *preferred.parents) if folder.exists())
    is_writable = bool(existing.stat().st_mode & stat.S_IWUSR)
    return preferred if is_writable and os.access(existing, os.W_OK) else _default_cache_dir()


def resolve_data_path(path: Path) -> Path:
    """`path` as given when it is there, else below `data_dir()` when it is there."""
    path = path.expanduser()
    cached = data_dir() / path
    return cached if not path.exists() and cached.exists() else path


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "deepshelf"
