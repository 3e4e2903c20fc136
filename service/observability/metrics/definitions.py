"""Every metric of the service. Nothing is counted that is not declared here."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["METRICS", "MetricDefinition"]

_SECONDS_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
_SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True)
class MetricDefinition:
    """One metric with all its labels' values."""

    name: str
    """As Prometheus knows it; a counter's without `_total`."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram: upper ends of its buckets, ascending; there is one more for what is above."""
    merge: Literal["sum", "max"] = "sum"
    """How the values of several workers become one. Counters and histograms are always sums."""


_DEFINITIONS = (
    MetricDefinition(
        "deepshelf_requests",
        "counter",
        "Requests, by route template and status; 499 is a client that left before its answer",
        ("route", "method", "status"),
    ),
    MetricDefinition(
        "deepshelf_request_seconds",
        "histogram",
        "From a request's first byte here to its answer's last",
        ("route",),
        _SECONDS_BUCKETS,
    ),
    MetricDefinition(
        "deepshelf_stage_seconds",
        "histogram",
        "Of one request: waiting for a place (queue), decoding, running graphs, encoding",
        ("route", "stage"),
        _SECONDS_BUCKETS,
    ),
    MetricDefinition(
        "deepshelf_request_images",
        "histogram",
        "Pictures in one request",
        ("route",),
        _SIZE_BUCKETS,
    ),
    MetricDefinition(
        "deepshelf_cancelled",
        "counter",
        "Requests whose client left before the answer was complete",
        ("route",),
    ),
    MetricDefinition(
        "deepshelf_deadline_misses",
        "counter",
        "Requests given up because their time was over",
        ("route",),
    ),
    MetricDefinition(
        "deepshelf_rejected",
        "counter",
        "Requests told 503 because every place was taken",
        ("queue",),
    ),
    MetricDefinition(
        "deepshelf_connections_dropped",
        "counter",
        "Connections that the service ended because of what the client did or did not do",
        ("reason",),
    ),
    MetricDefinition("deepshelf_queue_depth", "gauge", "Requests that wait", ("queue",)),
    MetricDefinition("deepshelf_queue_running", "gauge", "Requests that are computed", ("queue",)),
    MetricDefinition(
        "deepshelf_batch_size",
        "histogram",
        "Texts that shared one run of a recurrent graph",
        (),
        _SIZE_BUCKETS,
    ),
    MetricDefinition(
        "deepshelf_text_written_characters", "counter", "Characters that models wrote"
    ),
    MetricDefinition(
        "deepshelf_text_processed_characters",
        "counter",
        "Characters that recurrent graphs read: prompts, and what was written",
    ),
    MetricDefinition(
        "deepshelf_models",
        "gauge",
        "Versions on the shelf, by state; of several workers the highest number",
        ("state",),
        merge="max",
    ),
    MetricDefinition("deepshelf_workers", "gauge", "Worker processes that serve"),
    MetricDefinition(
        "deepshelf_process_resident_memory_bytes",
        "gauge",
        "Resident memory of a worker",
        ("pid",),
    ),
    MetricDefinition("deepshelf_process_cpu_seconds", "counter", "Processor time of all workers"),
)

METRICS = {family.name: family for family in _DEFINITIONS}
