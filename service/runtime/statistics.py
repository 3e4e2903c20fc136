"""What became of the inferences of each model, since this process began."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Duration", "Phases", "Statistics", "Tally"]

Key = tuple[str, int]


@dataclass
class Duration:
    """How often, and how long together."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns


@dataclass
class Phases:
    """Where the time of one successful request went, in nanoseconds."""

    queue: int = 0
    """Waiting for a thread, after the whole body had come."""
    compute_input: int = 0
    compute_infer: int = 0
    compute_output: int = 0


@dataclass
class Tally:
    """All requests of one version of a model."""

    inferences: int = 0
    """Rows of batches."""
    executions: int = 0
    """Runs of the graph; a graph of pictures runs once for each."""
    last_ms: int = 0
    """When the last one was counted, in milliseconds since 1970."""
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    batches: dict[int, Duration] = field(default_factory=dict)
    """Rows of a run → how many such runs, and how long they took."""


class Statistics:
    """Of one process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[Key, Tally] = {}

    @property
    def tallies(self) -> Mapping[Key, Tally]:
        """By name and version; those that were never asked are not there."""
        with self._lock:
            return dict(self._tallies)

    def of(self, key: Key) -> Tally:
        """Of one version; zeros where it was never asked."""
        return self._tallies.get(key, Tally())

    def succeeded(self, key: Key, total_ns: int, phases: Phases, runs: list[int]) -> None:
        """Count a request that was answered; `runs` are the rows of each run of the graph."""
        with self._lock:
            tally = self._tally(key)
            tally.success.add(total_ns)
            for phase in ("queue", "compute_input", "compute_infer", "compute_output"):
                duration: Duration = getattr(tally, phase)
                duration.add(getattr(phases, phase))
            tally.inferences += sum(runs)
            tally.executions += len(runs)
            for rows in runs:
                batch = tally.batches.setdefault(rows, Duration())
                batch.add(phases.compute_infer // len(runs))

    def failed(self, key: Key, total_ns: int) -> None:
        """Count a request that ended in an error, or whose client left."""
        with self._lock:
            self._tally(key).fail.add(total_ns)

    def _tally(self, key: Key) -> Tally:
        tally = self._tallies.setdefault(key, Tally())
        tally.last_ms = time.time_ns() // 1_000_000
        return tally
