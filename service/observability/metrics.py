"""Prometheus metrics of the service.

Several workers write their values to memory-mapped files in one directory, and whichever of them
responds to `/metrics` merges all files.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from service.observability.request_log import CompletedRequest
from service.observability.worker_metrics import WorkerMetrics, has_several_workers
from service.runtime.catalog import VersionState
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler, StepResult
from service.scheduling.dynamic_batching import BatchRun

_UPDATE_INTERVAL_S = 1.0
_VERSION_STATES: tuple[VersionState, ...] = ("ready", "loading", "failed", "unloaded")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
_WAIT_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


class _Factory:
    """Creates metrics that belong to one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counter = partial(Counter, registry=registry)
        self.histogram = partial(Histogram, registry=registry)
        self.gauge = partial(Gauge, registry=registry)


class _RequestMetrics:
    """Counted on the event loop when a request or a connection ends."""

    def __init__(self, metrics: _Factory) -> None:
        self.requests = metrics.counter(
            "deepshelf_requests",
            "Requests, by route template and status; 499 is a client that disconnected before its "
            "response",
            ("route", "method", "status"),
        )
        self.seconds = metrics.histogram(
            "deepshelf_request_seconds",
            "From the first byte of a request to the last byte of its response",
            ("route",),
            buckets=_SECONDS_BUCKETS,
        )
        self.stage_seconds = metrics.histogram(
            "deepshelf_stage_seconds",
            "Time within one request: waiting for a slot (queue), decoding, inference, encoding",
            ("route", "stage"),
            buckets=_SECONDS_BUCKETS,
        )
        self.images = metrics.histogram(
            "deepshelf_request_images", "Images in one request", ("route",), buckets=_SIZE_BUCKETS
        )
        self.cancelled = metrics.counter(
            "deepshelf_cancelled",
            "Requests whose client disconnected before the response was complete",
            ("route",),
        )
        self.deadline_misses = metrics.counter(
            "deepshelf_deadline_misses", "Requests that exceeded their deadline", ("route",)
        )
        self.connections_dropped = metrics.counter(
            "deepshelf_connections_dropped",
            "Connections closed by the service because of what the client did or did not do",
            ("reason",),
        )


class _QueueMetrics:
    def __init__(
        self, metrics: _Factory, admission_by_queue: Mapping[str, AdmissionController]
    ) -> None:
        self._admission_by_queue = admission_by_queue
        self._rejected = metrics.counter(
            "deepshelf_rejected",
            "Requests rejected with 503 because the queue was full",
            ("queue",),
        )
        self._depth = metrics.gauge(
            "deepshelf_queue_depth", "Waiting requests", ("queue",), multiprocess_mode="livesum"
        )
        self._running = metrics.gauge(
            "deepshelf_queue_running",
            "Requests being computed",
            ("queue",),
            multiprocess_mode="livesum",
        )
        self._rejected_before = dict.fromkeys(admission_by_queue, 0)

    def update(self) -> None:
        for queue, admission in self._admission_by_queue.items():
            counters = admission.counters
            self._rejected.labels(queue).inc(counters.rejected - self._rejected_before[queue])
            self._rejected_before[queue] = counters.rejected
            waiting = counters.admitted - counters.started - counters.dropped
            self._depth.labels(queue).set(waiting)
            self._running.labels(queue).set(counters.started - counters.finished)


class _GenerationMetrics:
    def __init__(self, metrics: _Factory, scheduler: GenerationScheduler) -> None:
        self._batch_size = metrics.histogram(
            "deepshelf_batch_size",
            "Texts that shared one run of a recurrent graph",
            buckets=_SIZE_BUCKETS,
        )
        self._written = metrics.counter("deepshelf_text_written_characters", "Generated characters")
        self._processed = metrics.counter(
            "deepshelf_text_processed_characters",
            "Characters processed by recurrent graphs: prompts and generated text",
        )
        scheduler.on_step = self._step_completed

    def _step_completed(self, step: StepResult) -> None:
        """Count a step; called on the scheduler's thread."""
        if step.batch_size:
            self._batch_size.observe(step.batch_size)
        self._written.inc(step.generated)
        self._processed.inc(step.processed)


class _BatchMetrics:
    """Counted on the compute threads."""

    def __init__(self, metrics: _Factory) -> None:
        self.rows = metrics.histogram(
            "deepshelf_dynamic_batch_rows",
            "Rows of one run of a graph that batches the rows of several requests",
            ("model",),
            buckets=_SIZE_BUCKETS,
        )
        self.wait_seconds = metrics.histogram(
            "deepshelf_dynamic_batch_wait_seconds",
            "Time for which a request's rows waited for the rest of their batch",
            ("model",),
            buckets=_WAIT_BUCKETS,
        )


class _ProcessMetrics:
    def __init__(self, metrics: _Factory, models: Registry) -> None:
        self._model_registry = models
        self._models = metrics.gauge(
            "deepshelf_models",
            "Model versions, by state; the highest number of all workers",
            ("state",),
            multiprocess_mode="livemax",
        )
        self._graphs = metrics.gauge(
            "deepshelf_graphs",
            "Graphs of ready versions, by execution provider; the highest number of all workers",
            ("provider",),
            multiprocess_mode="livemax",
        )
        self._workers = metrics.gauge(
            "deepshelf_workers", "Worker processes that serve", multiprocess_mode="livesum"
        )
        self._resident_memory = metrics.gauge(
            "deepshelf_process_resident_memory_bytes",
            "Resident memory of a worker",
            ("pid",),
            multiprocess_mode="liveall",
        )
        self._cpu_seconds = metrics.counter(
            "deepshelf_process_cpu_seconds", "CPU time of all workers"
        )
        self._cpu_seconds_before = 0.0

    def update(self) -> None:
        for state in _VERSION_STATES:
            self._models.labels(state).set(self._model_registry.catalog.count(state))
        for provider, count in self._model_registry.catalog.graphs_by_provider.items():
            self._graphs.labels(provider).set(count)
        self._workers.set(1)
        cpu_seconds = time.process_time()
        self._cpu_seconds.inc(cpu_seconds - self._cpu_seconds_before)
        self._cpu_seconds_before = cpu_seconds
        resident = _resident_bytes()
        if resident is not None:
            self._resident_memory.labels(str(os.getpid())).set(resident)


class ServiceMetrics:
    """The metrics of one application."""

    def __init__(
        self,
        models: Registry,
        admission_by_queue: Mapping[str, AdmissionController],
        scheduler: GenerationScheduler,
    ) -> None:
        """Create the metrics; `admission_by_queue` maps a queue's name to its controller."""
        # Leave out the timestamp beside every counter: no dashboard reads it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        metrics = _Factory(self.registry)
        self._requests = _RequestMetrics(metrics)
        self._queues = _QueueMetrics(metrics, admission_by_queue)
        _GenerationMetrics(metrics, scheduler)
        self._batches = _BatchMetrics(metrics)
        self._process = _ProcessMetrics(metrics, models)

    def request_completed(self, completed: CompletedRequest) -> None:
        """Count a completed request."""
        metrics, route = self._requests, completed.route
        # The method is sent by the client: an unknown one must not become a series of its own.
        method = completed.method if completed.method in _METHODS else "other"
        metrics.requests.labels(route, method, str(completed.status)).inc()
        metrics.seconds.labels(route).observe(completed.duration_s)
        for stage, seconds in completed.timings.seconds.items():
            metrics.stage_seconds.labels(route, stage).observe(seconds)
        images = completed.log_fields.get("images")
        if isinstance(images, int):
            metrics.images.labels(route).observe(images)
        if completed.cancelled:
            metrics.cancelled.labels(route).inc()
        if completed.timed_out:
            metrics.deadline_misses.labels(route).inc()

    def rejected(self, route: str, method: str, seconds: float) -> None:
        """Count a request that was rejected before it reached the application."""
        self._requests.requests.labels(route, method, "503").inc()
        self._requests.seconds.labels(route).observe(seconds)

    def batch_completed(self, batch: BatchRun) -> None:
        """Count a run of a batch; called on a compute thread."""
        self._batches.rows.labels(batch.model).observe(batch.rows)
        wait_seconds = self._batches.wait_seconds.labels(batch.model)
        for wait_s in batch.waits_s:
            wait_seconds.observe(wait_s)

    def connection_dropped(self, reason: str) -> None:
        """Count a connection that the service closed."""
        self._requests.connections_dropped.labels(reason).inc()

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics of all workers, and their media type, chosen by `accept`."""
        self.update()
        encode, media_type = choose_encoder(accept)
        collector = WorkerMetrics() if has_several_workers() else self.registry
        return await asyncio.to_thread(encode, collector), media_type

    async def update_periodically(self) -> None:
        """Call `update` once per second until cancelled: other workers read what it writes."""
        try:
            while True:
                self.update()
                await asyncio.sleep(_UPDATE_INTERVAL_S)
        finally:
            self.update()

    def update(self) -> None:
        """Sample the queues, the models and the process. Called on the event loop."""
        self._queues.update()
        self._process.update()


def _resident_bytes() -> float | None:
    """Return the resident memory of this process; None where there is no /proc (macOS)."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return float(int(pages) * os.sysconf("SC_PAGE_SIZE"))
