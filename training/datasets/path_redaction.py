"""Serialization of a user's paths: in full for a run, by name for a published model."""

from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer, SerializationInfo


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
