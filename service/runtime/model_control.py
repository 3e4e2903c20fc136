"""What somebody ordered by hand: which models to load or to unload, whatever else the rules say.

Every worker has a registry of its own. Where there are several, orders lie in a folder that all of
them read, a file for each model, so that an order given to one is followed by all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

__all__ = ["Order", "Orders"]

Order = Literal["load", "unload"]


class Orders:
    """Model name → the last order about it. Safe to use from any thread or process."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without `folder`, in memory."""
        self._folder = folder
        self._memory: Mapping[str, Order] = {}

    def read(self) -> Mapping[str, Order]:
        """All orders; none where there is no folder yet."""
        if self._folder is None:
            return self._memory
        try:
            written = {path.name: path.read_text() for path in self._folder.iterdir()}
        except (OSError, ValueError):
            return {}
        return {
            name: "load" if order == "load" else "unload"
            for name, order in written.items()
            if order in ("load", "unload")
        }

    def give(self, name: str, order: Order) -> None:
        """Remember it. `name` is a model's. Raises OSError where it cannot be written."""
        if self._folder is None:
            self._memory = {**self._memory, name: order}
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_text(order)
