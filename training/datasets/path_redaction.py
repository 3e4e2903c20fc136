"""Serialization of a user's paths: in full for a run, by name for a published model."""

from pathlib import Path

from pydantic import SerializationInfo

__all__ = ["folder_name", "redact_cached_path", "redact_path"]


def folder_name(path: Path) -> str:
    """Return the last part of the resolved path, so that "." and "data/.." also have a name."""
    return path.expanduser().resolve().name or "folder"


def redact_path(path: Path, info: SerializationInfo) -> str:
    """Return `path` in full; with context={"published": True}, only the folder's name.

    A run must find its data again; a published model must not reveal its maker's folders.
    """
    published = isinstance(info.context, dict) and info.context.get("published", False)
    return folder_name(path) if published else str(path)


def redact_cached_path(path: Path, info: SerializationInfo) -> str:
    """Redact like `redact_path`, but leave relative paths in full.

    They are looked up in the cache too and name no machine, so that a published recipe finds the
    same data on another machine.
    """
    relative = not path.is_absolute() and not {"..", "~"} & set(path.parts)
    return str(path) if relative else redact_path(path, info)
