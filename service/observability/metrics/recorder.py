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

from service.middleware.request_log import Finished
from service.observability.metrics.counters import Histogram, Labels, Samples, Tallies, add_samples
from service.observability.metrics.definitions import FAMILIES
from service.observability.metrics.exposition import exposition
from service.observability.metrics.multiprocess import Share
from service.runtime.catalog import State
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import Decoder

__all__ = ["Recorder"]

_log = logging.getLogger(__name__)

_EVERY_S = 1.0
_STATES: tuple[State, ...] = ("ready", "loading", "failed", "unloaded")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Recorder:
    """The counts of this process, and through its siblings' files those of the service."""

    def __init__(
        self, registry: Registry, gates: Mapping[str, AdmissionController], decoder: Decoder
    ) -> None:
        """`gates` by the name of their queue."""
        self._registry = registry
        self._gates = gates
        self._decoder = decoder
        self._tallies = Tallies()
        self._share: Share | None = None

    def request(self, done: Finished) -> None:
        """Count a request that is over. Called on the event loop."""
        tallies, route = self._tallies, done.route
        # A method is a client's text: what nobody serves must not become a series of its own.
        method = done.method if done.method in _METHODS else "other"
        tallies.count("deepshelf_requests", route, method, str(done.status))
        tallies.observe("deepshelf_request_seconds", done.seconds, route)
        for stage, seconds in done.stages.seconds.items():
            tallies.observe("deepshelf_stage_seconds", seconds, route, stage)
        images = done.event.get("images")
        if isinstance(images, int):
            tallies.observe("deepshelf_request_images", images, route)
        if done.cancelled:
            tallies.count("deepshelf_cancelled", route)
        if done.late:
            tallies.count("deepshelf_deadline_misses", route)

    def refused(self, route: str, method: str, seconds: float) -> None:
        """Count a request that the application never saw. Called on the event loop."""
        self._tallies.count("deepshelf_requests", route, method, "503")
        self._tallies.observe("deepshelf_request_seconds", seconds, route)

    def cut_off(self, reason: str) -> None:
        """Count a connection that was ended by us. Called on the event loop."""
        self._tallies.count("deepshelf_cut_off", reason)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """All workers' counts as Prometheus reads them, and the media type of that."""
        samples, share = self.samples(), self._share

        def build() -> tuple[bytes, str]:
            return exposition(share.total(samples) if share else samples, accept)

        return await asyncio.to_thread(build)

    async def keep_sharing(self, folder: Path) -> None:
        """Show the counts to the other workers in `folder`, until cancelled."""
        self._share = await asyncio.to_thread(Share, folder)
        try:
            while True:
                await asyncio.to_thread(_write, self._share, self.samples())
                await asyncio.sleep(_EVERY_S)
        finally:
            _write(self._share, self.samples())  # what was counted since

    def samples(self) -> Samples:
        """This process's counts at this moment. Called on the event loop."""
        samples = self._tallies.samples()
        for part in (self._queues(), self._texts(), self._models(), _process()):
            add_samples(samples, part)
        return samples

    def _queues(self) -> Samples:
        refused: dict[Labels, list[float]] = {}
        waiting: dict[Labels, list[float]] = {}
        running: dict[Labels, list[float]] = {}
        for queue, gate in self._gates.items():
            counters = gate.counters
            refused[queue,] = [float(counters.refused)]
            waiting[queue,] = [float(counters.admitted - counters.started - counters.dropped)]
            running[queue,] = [float(counters.started - counters.finished)]
        return {
            "deepshelf_rejected": refused,
            "deepshelf_queue_depth": waiting,
            "deepshelf_queue_running": running,
        }

    def _texts(self) -> Samples:
        counters = self._decoder.counters
        batches = Histogram(FAMILIES["deepshelf_batch_size"].bounds)
        for size, times in enumerate(self._decoder.batch_sizes):
            if times:
                batches.observe(size, times)
        return {
            "deepshelf_batch_size": {(): batches.values},
            "deepshelf_text_written_characters": {(): [float(counters.written)]},
            "deepshelf_text_read_characters": {(): [float(counters.characters)]},
        }

    def _models(self) -> Samples:
        shelf = self._registry.shelf
        return {
            "deepshelf_models": {(state,): [float(shelf.count(state))] for state in _STATES},
        }


def _write(share: Share, samples: Samples) -> None:
    try:
        share.write(samples)
    except OSError as error:  # a full disk; the next time may go well
        _log.warning("counts are not shared", extra={"fields": {"reason": str(error)}})


def _process() -> Samples:
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
