"""The keys that hold now: those of the settings, and of a file that is looked at again."""

import asyncio
import logging
from pathlib import Path

from service.keys import ApiKeySet
from service.settings import Settings

__all__ = ["ReloadingApiKeys"]

_log = logging.getLogger(__name__)

_POLL_INTERVAL_S = 1.0


class ReloadingApiKeys:
    """`ring` is one reference, replaced whole when the file changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._version = _file_version(settings.keys_file)
        self._keys = settings.load_api_keys()
        self._auth_required = self._keys.auth_required

    @property
    def current(self) -> ApiKeySet:
        return self._keys

    @property
    def auth_required(self) -> bool:
        """Whether a request must bring a key.

        Once that was so it stays: taking the last key away closes the service, not opens it.
        """
        return self._auth_required

    def refresh(self) -> None:
        """Read the file again if it changed. One that is not well formed changes nothing."""
        version = _file_version(self._settings.keys_file)
        if version == self._version:
            return
        self._version = version
        try:
            self._keys = self._settings.load_api_keys()
        except ValueError as error:
            fields = {"reason": str(error)}
            _log.error("key file reload failed, keeping previous keys", extra={"fields": fields})
            return
        self._auth_required = self._auth_required or self._keys.auth_required
        _log.info("key file reloaded", extra={"fields": {"keys": len(self._keys)}})

    async def watch(self) -> None:
        """Follow the file, until cancelled."""
        while self._settings.keys_file is not None:
            await asyncio.sleep(_POLL_INTERVAL_S)
            await asyncio.to_thread(self.refresh)


def _file_version(path: Path | None) -> tuple[int, int, int] | None:
    """Follows links: Kubernetes replaces a secret by turning one."""
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
