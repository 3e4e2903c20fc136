"""Request rates of API keys, counted over all workers of a service.

The storages of the library `limits` count in one process or need a server. This one is an SQLite
file that the workers share, or memory if there is one worker.
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from limits import RateLimitItem

_log = logging.getLogger(__name__)

_OPEN_TIMEOUT_S = 1.0

_HIT_SQL = """
INSERT INTO hits VALUES (:key, 1, :now + :window)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN expires <= :now THEN 1 ELSE count + 1 END,
    expires = CASE WHEN expires <= :now THEN :now + :window ELSE expires END
RETURNING count, expires
"""
"""Counts a request in a fixed window. SQLite makes a statement atomic between processes."""


class RateLimiter:
    """Counts requests per key. Safe to use from any thread; a hit blocks on file access."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is shared by the workers of one service; without it, count in this process."""
        self._folder = folder
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def hit(self, rate_limit: RateLimitItem, key_name: str) -> float | None:
        """Count a request of the key.

        Returns None if the rate allows it, else the seconds until the window ends. If the storage
        fails, the request is allowed.
        """
        now, window = time.time(), rate_limit.get_expiry()
        values = {"key": rate_limit.key_for(key_name), "now": now, "window": window}
        try:
            with self._lock:
                if self._database is None:
                    self._database = _open(self._folder and self._folder / "rates.sqlite")
                count, expires = self._database.execute(_HIT_SQL, values).fetchone()
        except sqlite3.Error as error:  # a full disk must not reject every request
            _log.error("could not count rate limits", extra={"fields": {"reason": str(error)}})
            return None
        return max(0.0, expires - now) if count > rate_limit.amount else None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _open(path: Path | None) -> sqlite3.Connection:
    # A hit waits at most `timeout` seconds for the hit of another worker.
    database = sqlite3.connect(
        path or ":memory:", timeout=0.25, isolation_level=None, check_same_thread=False
    )
    _enable_wal(database)
    # Counts need not survive a power cut; they do survive the crash of a process.
    database.execute("PRAGMA synchronous = OFF")
    database.execute(
        "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires REAL)"
    )
    return database


def _enable_wal(database: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, with retries.

    SQLite's own timeout does not cover the switch: it fails at once while another worker does the
    same.
    """
    deadline_s = time.monotonic() + _OPEN_TIMEOUT_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.005)
        else:
            return
