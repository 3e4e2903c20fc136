"""How a user's paths are written down: whole for a run, by name for the world."""

from pathlib import Path

from pydantic import SerializationInfo

__all__ = ["folder_name", "redact_cached_path", "redact_path"]


def folder_name(path: Path) -> str:
    """The last part of the real path: of "." and "data/..", too, the folder's own name."""
    return path.expanduser().resolve().name or "folder"


def redact_path(path: Path, info: SerializationInfo) -> str:
    """`path` as a recipe holds it; with context={"published": True}, without where it lies.

    A run must find its data again; a published model must not tell how its maker's home folder is
    called.
    """
    published = isinstance(info.context, dict) and info.context.get("published", False)
    return folder_name(path) if published else str(path)


def redact_cached_path(path: Path, info: SerializationInfo) -> str:
    """As `written`, for paths that are looked for in the cache too: relative ones stay whole.

    They name no machine, and the published recipe then finds the same file elsewhere.
    """
    relative = not path.is_absolute() and not {"..", "~"} & set(path.parts)
    return str(path) if relative else redact_path(path, info)
