"""Every metric of the service. Nothing is counted that is not declared here."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["FAMILIES", "Family"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True)
class Family:
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


_ALL = (
    Family(
        "deepshelf_requests",
        "counter",
        "Requests, by route template and status; 499 is a client that left before its answer",
        ("route", "method", "status"),
    ),
    Family(
        "deepshelf_request_seconds",
        "histogram",
        "From a request's first byte here to its answer's last",
        ("route",),
        _SECONDS,
    ),
    Family(
        "deepshelf_stage_seconds",
        "histogram",
        "Of one request: waiting for a place (queue), decoding, running graphs, encoding",
        ("route", "stage"),
        _SECONDS,
    ),
    Family(
        "deepshelf_request_images",
        "histogram",
        "Pictures in one request",
        ("route",),
        _SIZES,
    ),
    Family(
        "deepshelf_cancelled",
        "counter",
        "Requests whose client left before the answer was complete",
        ("route",),
    ),
    Family(
        "deepshelf_deadline_misses",
        "counter",
        "Requests given up because their time was over",
        ("route",),
    ),
    Family(
        "deepshelf_rejected",
        "counter",
        "Requests told 503 because every place was taken",
        ("queue",),
    ),
    Family(
        "deepshelf_cut_off",
        "counter",
        "Connections that the service ended because of what the client did or did not do",
        ("reason",),
    ),
    Family("deepshelf_queue_depth", "gauge", "Requests that wait", ("queue",)),
    Family("deepshelf_queue_running", "gauge", "Requests that are computed", ("queue",)),
    Family(
        "deepshelf_batch_size",
        "histogram",
        "Texts that shared one run of a recurrent graph",
        (),
        _SIZES,
    ),
    Family("deepshelf_text_written_characters", "counter", "Characters that models wrote"),
    Family(
        "deepshelf_text_read_characters",
        "counter",
        "Characters that recurrent graphs read: prompts, and what was written",
    ),
    Family(
        "deepshelf_models",
        "gauge",
        "Versions on the shelf, by state; of several workers the highest number",
        ("state",),
        merge="max",
    ),
    Family("deepshelf_workers", "gauge", "Worker processes that serve"),
    Family(
        "deepshelf_process_resident_memory_bytes",
        "gauge",
        "Resident memory of a worker",
        ("pid",),
    ),
    Family("deepshelf_process_cpu_seconds", "counter", "Processor time of all workers"),
)

FAMILIES = {family.name: family for family in _ALL}
