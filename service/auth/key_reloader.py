"""The current API keys, reloaded when their file changes."""

import asyncio
import logging
from pathlib import Path

from service.keys import ApiKeySet
from service.settings import Settings

_log = logging.getLogger(__name__)

_POLL_INTERVAL_S = 1.0


class ReloadingApiKeys:
    """Holds the keys of the settings and of the keys file."""

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
        """True if requests need a key.

        Stays true once it was: removing the last key from the file closes the service instead of
        opening it.
        """
        return self._auth_required

    def refresh(self) -> None:
        """Reload the file if it changed. If it is not valid, the previous keys stay."""
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
        """Reload the file whenever it changes, until cancelled."""
        while self._settings.keys_file is not None:
            await asyncio.sleep(_POLL_INTERVAL_S)
            await asyncio.to_thread(self.refresh)


def _file_version(path: Path | None) -> tuple[int, int, int] | None:
    """Return time, size and inode. Follows links, since Kubernetes updates secrets by a link."""
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
