"""The keys that hold now: those of the settings, and of a file that is looked at again."""

import asyncio
import logging
from pathlib import Path

from service.keys import KeyRing
from service.settings import Settings

__all__ = ["LiveKeys"]

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0


class LiveKeys:
    """`ring` is one reference, replaced whole when the file changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stamp = _stamp(settings.keys_file)
        self._ring = settings.ring()
        self._closed = self._ring.needed

    @property
    def ring(self) -> KeyRing:
        return self._ring

    @property
    def needed(self) -> bool:
        """Whether a request must bring a key.

        Once that was so it stays: taking the last key away closes the service, not opens it.
        """
        return self._closed

    def refresh(self) -> None:
        """Read the file again if it changed. One that is not well formed changes nothing."""
        stamp = _stamp(self._settings.keys_file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._ring = self._settings.ring()
        except ValueError as error:
            fields = {"reason": str(error)}
            _log.error("keys are not read again, those before hold", extra={"fields": fields})
            return
        self._closed = self._closed or self._ring.needed
        _log.info("keys were read again", extra={"fields": {"keys": len(self._ring)}})

    async def keep_fresh(self) -> None:
        """Follow the file, until cancelled."""
        while self._settings.keys_file is not None:
            await asyncio.sleep(_LOOK_EVERY_S)
            await asyncio.to_thread(self.refresh)


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Follows links: Kubernetes replaces a secret by turning one."""
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
