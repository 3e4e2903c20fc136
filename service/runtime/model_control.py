"""Explicit load and unload requests, which override the settings.

Each worker has its own registry. With several workers, requests are files in a shared folder, one
per model, so that every worker follows a request sent to one of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Override = Literal["load", "unload"]


class ModelOverrides:
    """Model name → the last load or unload request. Safe to use from any thread or process."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without `folder`, keep the requests in memory."""
        self._folder = folder
        self._memory: Mapping[str, Override] = {}

    def read(self) -> Mapping[str, Override]:
        """Return all requests; none if the folder does not exist yet."""
        if self._folder is None:
            return self._memory
        try:
            entries = {path.name: path.read_text() for path in self._folder.iterdir()}
        except (OSError, ValueError):
            return {}
        return {
            name: "load" if override == "load" else "unload"
            for name, override in entries.items()
            if override in ("load", "unload")
        }

    def set_override(self, name: str, override: Override) -> None:
        """Set the override of the model `name`. Raises OSError: it cannot be written."""
        if self._folder is None:
            self._memory = {**self._memory, name: override}
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_text(override)
