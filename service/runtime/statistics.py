"""Inference statistics of each model since the process started, as Triton's extension has them."""

import time
from dataclasses import dataclass, field

from pydantic import ConfigDict

VersionKey = tuple[str, int]

_RESPONSE = ConfigDict(
    use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
)


@dataclass
class DurationStatistics:
    __pydantic_config__ = _RESPONSE

    count: int = 0
    ns: int = 0
    """Total duration in nanoseconds."""

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns


@dataclass
class InferStatistics:
    """Counts of requests, and durations of the phases of successful ones."""

    __pydantic_config__ = _RESPONSE

    success: DurationStatistics = field(default_factory=DurationStatistics)
    fail: DurationStatistics = field(default_factory=DurationStatistics)
    queue: DurationStatistics = field(default_factory=DurationStatistics)
    compute_input: DurationStatistics = field(default_factory=DurationStatistics)
    compute_infer: DurationStatistics = field(default_factory=DurationStatistics)
    compute_output: DurationStatistics = field(default_factory=DurationStatistics)
    cache_hit: DurationStatistics = field(default_factory=DurationStatistics)
    """Always 0: nothing is cached."""
    cache_miss: DurationStatistics = field(default_factory=DurationStatistics)


@dataclass
class BatchStatistics:
    """Runs of one size."""

    __pydantic_config__ = _RESPONSE

    batch_size: int
    compute_infer: DurationStatistics = field(default_factory=DurationStatistics)


@dataclass
class ModelStatistics:
    """One version of a model."""

    __pydantic_config__ = _RESPONSE

    name: str
    version: str
    last_inference: int = 0
    """Milliseconds since 1970; 0 before the first inference."""
    inference_count: int = 0
    """Rows of batches, and texts."""
    execution_count: int = 0
    """Runs of the graph. For texts, which share runs, the number of texts."""
    inference_stats: InferStatistics = field(default_factory=InferStatistics)
    batch_stats: list[BatchStatistics] = field(default_factory=list)


@dataclass(frozen=True)
class PhaseDurations:
    """Durations of a successful request's phases, in nanoseconds."""

    queue: int = 0
    """Waiting for a thread, after the whole body had arrived."""
    compute_input: int = 0
    compute_infer: int = 0
    compute_output: int = 0


class InferenceStatistics:
    """Statistics of one process. Used by the event loop's thread only."""

    def __init__(self) -> None:
        self.by_version: dict[VersionKey, ModelStatistics] = {}
        """Statistics by name and version; versions that were never used are missing."""

    def get(self, key: VersionKey) -> ModelStatistics:
        """Return the statistics of one version; zeros if it was never used."""
        return self.by_version.get(key) or ModelStatistics(key[0], str(key[1]))

    def record_success(
        self, key: VersionKey, total_ns: int, phases: PhaseDurations, runs: list[int]
    ) -> None:
        """Count a successful request; `runs` are the rows of each run of the graph."""
        model = self._record(key)
        model.inference_count += sum(runs)
        model.execution_count += len(runs)
        durations = model.inference_stats
        durations.success.add(total_ns)
        durations.queue.add(phases.queue)
        durations.compute_input.add(phases.compute_input)
        durations.compute_infer.add(phases.compute_infer)
        durations.compute_output.add(phases.compute_output)
        batches = {batch.batch_size: batch for batch in model.batch_stats}
        for rows in runs:
            batch = batches.setdefault(rows, BatchStatistics(rows))
            batch.compute_infer.add(phases.compute_infer // len(runs))
        model.batch_stats = [batches[rows] for rows in sorted(batches)]

    def record_failure(self, key: VersionKey, total_ns: int) -> None:
        """Count a request that ended in an error, or whose client disconnected."""
        self._record(key).inference_stats.fail.add(total_ns)

    def _record(self, key: VersionKey) -> ModelStatistics:
        model = self.by_version[key] = self.get(key)
        model.last_inference = time.time_ns() // 1_000_000
        return model
