"""How often a key may ask, counted for all workers of a service together.

The library `limits` says what a rate is and when it is exceeded. Of its own storages those in
memory count in one process, and the others need a server; this one is a file that the workers
share, or memory where there is one worker.
"""

import logging
import sqlite3
import time
from pathlib import Path

from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from service.observability.shared_dir import get_shared_dir

__all__ = ["RateLimiter"]

_log = logging.getLogger(__name__)

_INCREMENT_SQL = """
INSERT INTO hits VALUES (:key, :amount, :now + :expiry)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN expires <= :now THEN :amount ELSE count + :amount END,
    expires = CASE WHEN expires <= :now THEN :now + :expiry ELSE expires END
RETURNING count
"""


class _SqliteStorage(Storage):
    """Fixed windows. One statement a hit, which SQLite makes atomic between processes."""

    STORAGE_SCHEME = ["deepshelf+sqlite"]  # noqa: RUF012  # as the base class declares it

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        # A hit waits for another worker's, which takes microseconds, never longer than this.
        self._database = sqlite3.connect(path or ":memory:", timeout=0.25, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # Counts of minutes need not outlive a power cut; a crash of a process they do.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires REAL)"
        )

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        values = {"key": key, "amount": amount, "expiry": expiry, "now": time.time()}
        (count,) = self._database.execute(_INCREMENT_SQL, values).fetchone()
        return int(count)

    def get(self, key: str) -> int:
        return int(self._current_window(key)[0])

    def get_expiry(self, key: str) -> float:
        return self._current_window(key)[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        return self._database.execute("DELETE FROM hits").rowcount

    def clear(self, key: str) -> None:
        self._database.execute("DELETE FROM hits WHERE key = ?", (key,))

    def close(self) -> None:
        self._database.close()

    def _current_window(self, key: str) -> tuple[int, float]:
        row = self._database.execute(
            "SELECT count, expires FROM hits WHERE key = ? AND expires > ?", (key, time.time())
        ).fetchone()
        return (int(row[0]), float(row[1])) if row else (0, time.time())


class RateLimiter:
    """Counts requests. Used by one thread."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is where the workers of one service meet; None for their usual one."""
        self._folder = folder
        self._storage: _SqliteStorage | None = None

    def hit(self, rate_limit: RateLimitItem, key_name: str) -> float | None:
        """Count a request of `name`.

        Returns None if it may be answered, else the seconds until the next one may.
        """
        try:
            limiter = FixedWindowRateLimiter(self._open_storage())
            if limiter.hit(rate_limit, key_name):
                return None
            return max(0.0, limiter.get_window_stats(rate_limit, key_name).reset_time - time.time())
        except sqlite3.Error as error:  # a full disk must not turn everybody away
            _log.error("could not count rate limits", extra={"fields": {"reason": str(error)}})
            return None

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()
            self._storage = None

    def _open_storage(self) -> _SqliteStorage:
        if self._storage is None:
            folder = get_shared_dir(self._folder)
            self._storage = _SqliteStorage(folder / "rates.sqlite" if folder else None)
        return self._storage
