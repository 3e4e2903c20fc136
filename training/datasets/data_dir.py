"""Where fetched data sets live, and what is worth keeping between runs."""

import os
import stat
from pathlib import Path

__all__ = ["data_dir", "located", "scratch_dir"]


def data_dir() -> Path:
    """`$DEEPSHELF_DATA`, or `~/.cache/deepshelf`."""
    configured = os.environ.get("DEEPSHELF_DATA")
    return Path(configured) if configured else _home()


def scratch_dir() -> Path:
    """Where derived data is kept: `data_dir()`, or the home cache when that is read-only.

    Asked of the folder itself, because root may write where nobody is meant to.
    """
    chosen = data_dir().absolute()
    nearest = next(folder for folder in (chosen, *chosen.parents) if folder.exists())
    meant = bool(nearest.stat().st_mode & stat.S_IWUSR)
    return chosen if meant and os.access(nearest, os.W_OK) else _home()


def located(path: Path) -> Path:
    """`path` as given when it is there, else below `data_dir()` when it is there."""
    path = path.expanduser()
    cached = data_dir() / path
    return cached if not path.exists() and cached.exists() else path


def _home() -> Path:
    return Path.home() / ".cache" / "deepshelf"
