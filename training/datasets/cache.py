"""Where fetched data sets live."""

import os
from pathlib import Path

__all__ = ["data_dir"]


def data_dir() -> Path:
    """`$DEEPSHELF_DATA`, or `~/.cache/deepshelf`."""
    configured = os.environ.get("DEEPSHELF_DATA")
    return Path(configured) if configured else Path.home() / ".cache" / "deepshelf"
