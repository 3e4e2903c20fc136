"""How many connections each worker of one service has, in memory that all of them see."""

import os
import struct
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO

from service.observability.shared_dir import get_shared_dir, is_alive

__all__ = ["SharedConnectionCounts"]

_SLOT = struct.Struct("qq")
"""A worker's process id, 0 where the slot is free, and its connections."""
_SLOTS = 256


class SharedConnectionCounts:
    """One worker's view. It can be pickled until it has joined, for where workers are spawned."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` as `get_shared_dir` takes it."""
        self._folder = folder
        self._memory: mmap | None = None
        self._slot = 0
        self._connections = self._pending = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": None}

    def register(self) -> None:
        """Be counted; where nothing can be shared, this worker goes on as if it were alone."""
        import fcntl  # Windows has none, nor a loop that calls this

        folder = get_shared_dir(self._folder)
        if folder is None:
            return
        with (folder / "connections").open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two that start at once must not take one slot
            try:
                self._claim_slot(file)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing would not: the memory keeps the file

    def _claim_slot(self, file: BinaryIO) -> None:
        size = _SLOTS * _SLOT.size
        if file.seek(0, os.SEEK_END) < size:
            file.truncate(size)
        memory = mmap(file.fileno(), size)
        for slot, (pid, _) in enumerate(_SLOT.iter_unpack(memory)):
            if not pid or not is_alive(pid):
                self._memory, self._slot = memory, slot
                self.set_connections(0)
                return

    def unregister(self) -> None:
        """Be counted no longer: nobody waits for this worker to take a connection."""
        if self._memory is not None:
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, 0, 0)
            self._memory = None

    def set_connections(self, connections: int) -> None:
        """How many this worker has."""
        self._connections = connections
        self._write()

    def set_pending(self, pending: int) -> None:
        """How many it has taken that are not among them yet."""
        self._pending = pending
        self._write()

    def _write(self) -> None:
        if self._memory is not None:
            record = os.getpid(), self._connections + self._pending
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, *record)

    def has_more_than_another(self) -> bool:
        """Whether another worker has fewer."""
        slots = self._slots()
        if not slots:
            return False
        own_count = slots[self._slot][1]
        return any(pid and count < own_count and is_alive(pid) for pid, count in slots)

    def _slots(self) -> list[tuple[int, int]]:
        return [] if self._memory is None else list(_SLOT.iter_unpack(self._memory))
