"""OpenTelemetry traces: a span for each request, with a child span for each of its stages.

Spans are created after the request has ended, from timings that are recorded in any case, so they
add no latency. Nothing is imported unless the operator has named a collector.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from service.observability.request_log import CompletedRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_LOGGED_ATTRIBUTES = ("model", "version", "images")


class TracingUnavailable(Exception):
    """Traces are configured, but the packages for them are not installed."""


class Tracing:
    """An observer that exports each completed request as spans."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("deepshelf")

    def __call__(self, completed: CompletedRequest) -> None:
        """Create the spans of a request; the provider sends them on its own thread."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers = {
            name: value.decode("latin-1")
            for key, value in completed.scope["headers"]
            if (name := key.decode("latin-1").lower()) in ("traceparent", "tracestate")
        }
        to_wall_ns = _monotonic_to_wall_clock()
        request_span = self._tracer.start_span(
            f"{completed.method} {completed.route}",
            context=TraceContextTextMapPropagator().extract(headers),
            kind=trace.SpanKind.SERVER,
            start_time=to_wall_ns(completed.started_at),
            attributes=_span_attributes(completed),
        )
        if not completed.status or completed.status >= 500:
            request_span.set_status(trace.StatusCode.ERROR)
        parent_context = trace.set_span_in_context(request_span)
        for name, start, end in completed.timings.intervals:
            stage_span = self._tracer.start_span(
                name, context=parent_context, start_time=to_wall_ns(start)
            )
            stage_span.end(to_wall_ns(end))
        request_span.end(to_wall_ns(completed.started_at + completed.duration_s))

    def close(self) -> None:
        """Send the remaining spans."""
        self._provider.shutdown()


def check_installed() -> None:
    """Raise TracingUnavailable if the extra `otel` is not installed."""
    try:
        missing = find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:  # of a package above it
        missing = True
    if missing:
        raise TracingUnavailable("traces need more packages: pip install 'deepshelf[otel]'")


def create_otlp_tracing(endpoint: str) -> Tracing:
    """Return an exporter to the OTLP/HTTP collector at this URL.

    Raises:
        TracingUnavailable: see `check_installed`.
    """
    check_installed()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # The packages themselves read OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and similar variables.
    provider = TracerProvider(resource=Resource.create({"service.name": "deepshelf"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


def _span_attributes(completed: CompletedRequest) -> dict[str, str | int]:
    """Return span attributes, named by OpenTelemetry's semantic conventions for HTTP."""
    attributes: dict[str, str | int] = {
        "http.request.method": completed.method,
        "http.route": completed.route,
        "http.response.status_code": completed.status,
        "deepshelf.request_id": str(completed.scope["state"]["request_id"]),
    }
    for name in _LOGGED_ATTRIBUTES:
        value = completed.log_fields.get(name)
        if isinstance(value, str | int):
            attributes[f"deepshelf.{name}"] = value
    if completed.cancelled:
        attributes["deepshelf.cancelled"] = True
    return attributes


def _monotonic_to_wall_clock() -> Callable[[float], int]:
    """Convert seconds of `time.monotonic` to nanoseconds since 1970."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda seconds: offset + int(seconds * 1e9)
