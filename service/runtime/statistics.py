"""Inference counters of each model since the process started."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

VersionKey = tuple[str, int]


@dataclass
class StatisticDuration:
    """A count and its total duration."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns


@dataclass
class PhaseDurations:
    """Durations of a successful request's phases, in nanoseconds."""

    queue: int = 0
    """Waiting for a thread, after the whole body had arrived."""
    compute_input: int = 0
    compute_infer: int = 0
    compute_output: int = 0


@dataclass
class ModelCounters:
    """Counters of one version of a model."""

    inferences: int = 0
    """Rows over all batches."""
    executions: int = 0
    """Runs of the graph; a graph of images runs once for each."""
    last_inference_ms: int = 0
    """Time of the last inference, in milliseconds since 1970."""
    success: StatisticDuration = field(default_factory=StatisticDuration)
    fail: StatisticDuration = field(default_factory=StatisticDuration)
    queue: StatisticDuration = field(default_factory=StatisticDuration)
    compute_input: StatisticDuration = field(default_factory=StatisticDuration)
    compute_infer: StatisticDuration = field(default_factory=StatisticDuration)
    compute_output: StatisticDuration = field(default_factory=StatisticDuration)
    batch_stats: dict[int, StatisticDuration] = field(default_factory=dict)
    """Rows of a run → number of such runs, and their duration."""


class InferenceStatistics:
    """Counters of one process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_version: dict[VersionKey, ModelCounters] = {}

    @property
    def by_version(self) -> Mapping[VersionKey, ModelCounters]:
        """Counters by name and version; versions that were never used are missing."""
        with self._lock:
            return dict(self._by_version)

    def get(self, key: VersionKey) -> ModelCounters:
        """Return the counters of one version; zeros if it was never used."""
        return self._by_version.get(key, ModelCounters())

    def record_success(
        self, key: VersionKey, total_ns: int, phases: PhaseDurations, runs: list[int]
    ) -> None:
        """Count a successful request; `runs` are the rows of each run of the graph."""
        with self._lock:
            tally = self._record(key)
            tally.success.add(total_ns)
            for phase in ("queue", "compute_input", "compute_infer", "compute_output"):
                duration: StatisticDuration = getattr(tally, phase)
                duration.add(getattr(phases, phase))
            tally.inferences += sum(runs)
            tally.executions += len(runs)
            for rows in runs:
                batch = tally.batch_stats.setdefault(rows, StatisticDuration())
                batch.add(phases.compute_infer // len(runs))

    def record_failure(self, key: VersionKey, total_ns: int) -> None:
        """Count a request that ended in an error, or whose client disconnected."""
        with self._lock:
            self._record(key).fail.add(total_ns)

    def _record(self, key: VersionKey) -> ModelCounters:
        tally = self._by_version.setdefault(key, ModelCounters())
        tally.last_inference_ms = time.time_ns() // 1_000_000
        return tally
