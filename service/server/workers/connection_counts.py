"""How many connections each worker of one service has, in memory that all of them see."""

import os
import struct
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO

from service.observability.shared_dir import is_alive, shared_folder

__all__ = ["Crowd"]

_SLOT = struct.Struct("qq")
"""A worker's process id, 0 where the slot is free, and its connections."""
_SLOTS = 256


class Crowd:
    """One worker's view. It can be pickled until it has joined, for where workers are spawned."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` as `shared_folder` takes it."""
        self._folder = folder
        self._memory: mmap | None = None
        self._mine = 0
        self._connections = self._coming = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": None}

    def join(self) -> None:
        """Be counted; where nothing can be shared, this worker goes on as if it were alone."""
        import fcntl  # Windows has none, nor a loop that calls this

        folder = shared_folder(self._folder)
        if folder is None:
            return
        with (folder / "connections").open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two that start at once must not take one slot
            try:
                self._take_slot(file)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing would not: the memory keeps the file

    def _take_slot(self, file: BinaryIO) -> None:
        size = _SLOTS * _SLOT.size
        if file.seek(0, os.SEEK_END) < size:
            file.truncate(size)
        memory = mmap(file.fileno(), size)
        for slot, (pid, _) in enumerate(_SLOT.iter_unpack(memory)):
            if not pid or not is_alive(pid):
                self._memory, self._mine = memory, slot
                self.tell(0)
                return

    def leave(self) -> None:
        """Be counted no longer: nobody waits for this worker to take a connection."""
        if self._memory is not None:
            _SLOT.pack_into(self._memory, self._mine * _SLOT.size, 0, 0)
            self._memory = None

    def tell(self, connections: int) -> None:
        """How many this worker has."""
        self._connections = connections
        self._write()

    def expect(self, coming: int) -> None:
        """How many it has taken that are not among them yet."""
        self._coming = coming
        self._write()

    def _write(self) -> None:
        if self._memory is not None:
            told = os.getpid(), self._connections + self._coming
            _SLOT.pack_into(self._memory, self._mine * _SLOT.size, *told)

    def is_ahead(self) -> bool:
        """Whether another worker has fewer."""
        slots = self._slots()
        if not slots:
            return False
        mine = slots[self._mine][1]
        return any(pid and count < mine and is_alive(pid) for pid, count in slots)

    def _slots(self) -> list[tuple[int, int]]:
        return [] if self._memory is None else list(_SLOT.iter_unpack(self._memory))
