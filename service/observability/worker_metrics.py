"""The metrics directory of several workers, and its files merged into one set of metrics."""

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def has_several_workers() -> bool:
    """Return True if this process is one of several workers, or their parent."""
    return _DIR_VARIABLE in os.environ


@contextlib.contextmanager
def metrics_dir() -> Iterator[None]:
    """Give the workers an empty directory for their metrics, unless the operator has set one."""
    if has_several_workers():
        yield
        return
    # Memory rather than disk: on a full disk, a write to a memory-mapped file kills its process.
    memory = Path("/dev/shm")  # noqa: S108
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="deepshelf-metrics-", dir=parent) as folder:
        os.environ[_DIR_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[_DIR_VARIABLE]


def remove_gauges_of_dead_workers(living: Collection[int | None]) -> None:
    """Remove the gauges of a dead worker; its counters stay."""
    files = Path(os.environ[_DIR_VARIABLE]).glob("gauge_live*_*.db")
    pids = {int(path.stem.rpartition("_")[2]) for path in files}
    for pid in pids.difference(living):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


class WorkerMetrics(Collector):
    """Merges what all workers have written to the metrics directory.

    `MultiProcessCollector.collect` fails on an empty file, which is what a worker that is starting
    has for a moment, and one that was killed in that moment leaves behind.
    """

    def collect(self) -> Iterable[Metric]:
        """Return the merged metrics. A missing directory is a `FileNotFoundError`."""
        with os.scandir(os.environ[_DIR_VARIABLE]) as entries:
            files = [entry.path for entry in entries if _has_values(entry)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _has_values(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.name.endswith(".db") and entry.stat().st_size > 0
    except FileNotFoundError:  # gauges of a worker that has ended are removed meanwhile
        return False
