"""Counts what the service does, and tells it.

Requests are counted when they are finished, on the event loop. What scheduling and decoding count
for themselves is only looked at, once a second and when somebody asks.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from service.middleware.request_log import CompletedRequest
from service.observability.metrics.counters import (
    Histogram,
    Labels,
    MetricCounters,
    Samples,
    add_samples,
)
from service.observability.metrics.definitions import METRICS
from service.observability.metrics.exposition import render_metrics
from service.observability.metrics.multiprocess import SnapshotExchange
from service.runtime.catalog import VersionState
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler

__all__ = ["Recorder"]

_log = logging.getLogger(__name__)

_SNAPSHOT_INTERVAL_S = 1.0
_VERSION_STATES: tuple[VersionState, ...] = ("ready", "loading", "failed", "unloaded")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Recorder:
    """The counts of this process, and through its siblings' files those of the service."""

    def __init__(
        self,
        registry: Registry,
        admission_by_queue: Mapping[str, AdmissionController],
        scheduler: GenerationScheduler,
    ) -> None:
        """`admission_by_queue` by the name of their queue."""
        self._registry = registry
        self._admission_by_queue = admission_by_queue
        self._scheduler = scheduler
        self._counters = MetricCounters()
        self._multiprocess: SnapshotExchange | None = None

    def request_completed(self, completed: CompletedRequest) -> None:
        """Count a request that is over. Called on the event loop."""
        counters, route = self._counters, completed.route
        # A method is a client's text: what nobody serves must not become a series of its own.
        method = completed.method if completed.method in _METHODS else "other"
        counters.increment("deepshelf_requests", route, method, str(completed.status))
        counters.observe("deepshelf_request_seconds", completed.duration_s, route)
        for stage, seconds in completed.timings.seconds.items():
            counters.observe("deepshelf_stage_seconds", seconds, route, stage)
        images = completed.log_fields.get("images")
        if isinstance(images, int):
            counters.observe("deepshelf_request_images", images, route)
        if completed.cancelled:
            counters.increment("deepshelf_cancelled", route)
        if completed.timed_out:
            counters.increment("deepshelf_deadline_misses", route)

    def rejected(self, route: str, method: str, seconds: float) -> None:
        """Count a request that the application never saw. Called on the event loop."""
        self._counters.increment("deepshelf_requests", route, method, "503")
        self._counters.observe("deepshelf_request_seconds", seconds, route)

    def connection_dropped(self, reason: str) -> None:
        """Count a connection that was ended by us. Called on the event loop."""
        self._counters.increment("deepshelf_connections_dropped", reason)

    async def render(self, accept: str) -> tuple[bytes, str]:
        """All workers' counts as Prometheus reads them, and the media type of that."""
        samples, multiprocess = self.samples(), self._multiprocess

        def build() -> tuple[bytes, str]:
            return render_metrics(multiprocess.total(samples) if multiprocess else samples, accept)

        return await asyncio.to_thread(build)

    async def write_snapshots(self, folder: Path) -> None:
        """Show the counts to the other workers in `folder`, until cancelled."""
        self._multiprocess = await asyncio.to_thread(SnapshotExchange, folder)
        try:
            while True:
                await asyncio.to_thread(_write_snapshot, self._multiprocess, self.samples())
                await asyncio.sleep(_SNAPSHOT_INTERVAL_S)
        finally:
            _write_snapshot(self._multiprocess, self.samples())  # what was counted since

    def samples(self) -> Samples:
        """This process's counts at this moment. Called on the event loop."""
        samples = self._counters.samples()
        for part in (
            self._queue_samples(),
            self._generation_samples(),
            self._model_samples(),
            _process_samples(),
        ):
            add_samples(samples, part)
        return samples

    def _queue_samples(self) -> Samples:
        rejected: dict[Labels, list[float]] = {}
        waiting: dict[Labels, list[float]] = {}
        running: dict[Labels, list[float]] = {}
        for queue, admission in self._admission_by_queue.items():
            counters = admission.counters
            rejected[queue,] = [float(counters.rejected)]
            waiting[queue,] = [float(counters.admitted - counters.started - counters.dropped)]
            running[queue,] = [float(counters.started - counters.finished)]
        return {
            "deepshelf_rejected": rejected,
            "deepshelf_queue_depth": waiting,
            "deepshelf_queue_running": running,
        }

    def _generation_samples(self) -> Samples:
        counters = self._scheduler.counters
        batches = Histogram(METRICS["deepshelf_batch_size"].bounds)
        for size, times in enumerate(self._scheduler.batch_sizes):
            if times:
                batches.observe(size, times)
        return {
            "deepshelf_batch_size": {(): batches.values},
            "deepshelf_text_written_characters": {(): [float(counters.generated)]},
            "deepshelf_text_processed_characters": {(): [float(counters.processed)]},
        }

    def _model_samples(self) -> Samples:
        catalog = self._registry.catalog
        return {
            "deepshelf_models": {
                (state,): [float(catalog.count(state))] for state in _VERSION_STATES
            },
        }


def _write_snapshot(multiprocess: SnapshotExchange, samples: Samples) -> None:
    try:
        multiprocess.write(samples)
    except OSError as error:  # a full disk; the next time may go well
        _log.warning("could not write metrics snapshot", extra={"fields": {"reason": str(error)}})


def _process_samples() -> Samples:
    samples: Samples = {
        "deepshelf_workers": {(): [1.0]},
        "deepshelf_process_cpu_seconds": {(): [time.process_time()]},
    }
    resident = _resident_bytes()
    if resident is not None:
        samples["deepshelf_process_resident_memory_bytes"] = {(str(os.getpid()),): [resident]}
    return samples


def _resident_bytes() -> float | None:
    """None where there is no /proc (macOS, Windows)."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return float(int(pages) * os.sysconf("SC_PAGE_SIZE"))
