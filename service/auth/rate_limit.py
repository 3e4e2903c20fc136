"""Request rates of API keys, counted over all workers of a service.

`limits` decides when a rate is exceeded. Its own storages count in one process or need a server;
this storage is an SQLite file that the workers share, or memory if there is one worker.
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

_log = logging.getLogger(__name__)

_OPEN_TIMEOUT_S = 1.0

_INCREMENT_SQL = """
INSERT INTO hits VALUES (:key, :amount, :now + :expiry)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN expires <= :now THEN :amount ELSE count + :amount END,
    expires = CASE WHEN expires <= :now THEN :now + :expiry ELSE expires END
RETURNING count
"""


class _SqliteStorage(Storage):
    """Fixed windows. A hit is one statement, which SQLite makes atomic between processes."""

    STORAGE_SCHEME = ["deepshelf+sqlite"]  # noqa: RUF012  # as the base class declares it

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        # A hit waits at most `timeout` seconds for the hit of another worker.
        self._database = sqlite3.connect(
            path or ":memory:", timeout=0.25, isolation_level=None, check_same_thread=False
        )
        self._enable_wal()
        # Counts need not survive a power cut; they do survive the crash of a process.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires REAL)"
        )

    def _enable_wal(self) -> None:
        """Switch to write-ahead logging, with retries.

        SQLite's own timeout does not cover the switch: it fails at once while another worker does
        the same.
        """
        deadline_s = time.monotonic() + _OPEN_TIMEOUT_S
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.005)
            else:
                return

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
    """Counts requests per key. Safe to use from any thread; a hit blocks on file access."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is shared by the workers of one service; without it, count in this process."""
        self._folder = folder
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._storage: _SqliteStorage | None = None
        self._lock = threading.Lock()

    def hit(self, rate_limit: RateLimitItem, key_name: str) -> float | None:
        """Count a request of the key.

        Returns None if the rate allows it, else the seconds until the window ends. If the storage
        fails, the request is allowed.
        """
        try:
            with self._lock:
                limiter = FixedWindowRateLimiter(self._open_storage())
                if limiter.hit(rate_limit, key_name):
                    return None
                reset_time = limiter.get_window_stats(rate_limit, key_name).reset_time
            return max(0.0, reset_time - time.time())
        except sqlite3.Error as error:  # a full disk must not reject every request
            _log.error("could not count rate limits", extra={"fields": {"reason": str(error)}})
            return None

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()
            self._storage = None

    def _open_storage(self) -> _SqliteStorage:
        if self._storage is None:
            self._storage = _SqliteStorage(self._folder and self._folder / "rates.sqlite")
        return self._storage
