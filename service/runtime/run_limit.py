"""End runs of graphs that were made elsewhere: values may decide how long a run takes.

A `Loop` with a number of rounds from the request can run for years. Its client gets 504 at the
deadline, but the run would keep its compute thread.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import onnxruntime as ort

from service.errors import DeadlineExceeded

_MAX_INTERVAL_S = 1.0


@cache
def run_limit(limit_s: float) -> "RunLimit":
    """Return the limit of `limit_s` of this process; one process has use for one."""
    return RunLimit(limit_s)


class RunLimit:
    """Ends runs that take longer than `limit_s`. Safe to use from any thread."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._running: dict[ort.RunOptions, float] = {}
        """Start time of each run."""
        self._begun = threading.Event()
        threading.Thread(target=self._watch, name="run_limit", daemon=True).start()

    @contextmanager
    def options(self) -> Iterator[ort.RunOptions]:
        """Yield the options for one run, which must take place inside the context.

        Raises:
            DeadlineExceeded: the run was ended.
        """
        options = ort.RunOptions()
        self._running[options] = time.monotonic()
        self._begun.set()
        try:
            yield options
        except Exception as error:
            if options.terminate:
                raise DeadlineExceeded(
                    f"the run of the graph took longer than {self._limit_s:g} s"
                ) from error
            raise
        finally:
            del self._running[options]

    def _watch(self) -> None:
        interval_s = min(_MAX_INTERVAL_S, self._limit_s / 10)
        while self._begun.wait():
            self._begun.clear()
            while self._running:
                time.sleep(interval_s)
                latest_start = time.monotonic() - self._limit_s
                for options, start in self._running.copy().items():
                    if start < latest_start:
                        options.terminate = True
