"""OpenTelemetry traces: a span for each request, and one within for each of its stages.

The spans are made when the request is over, out of the times that were taken anyway. So nothing
of it is on a request's way, and nothing is imported unless the operator named a collector.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from service.middleware.request_log import Finished

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["TracesUnavailable", "Tracing", "check_installed", "exporting_to"]

_NOTED = ("model", "version", "images")


class TracesUnavailable(Exception):
    """Traces were asked for, and the packages that make them are not installed."""


class Tracing:
    """An observer of requests that sends each on as spans."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.propagators.textmap import DefaultGetter  # optional

        self._provider = provider
        self._tracer = provider.get_tracer("deepshelf")
        self._getter = DefaultGetter()

    def __call__(self, done: Finished) -> None:
        """Make the spans of a request; sending them is the provider's, on a thread of its own."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import (
            TraceContextTextMapPropagator,
        )

        headers = {
            name: value.decode("latin-1")
            for key, value in done.scope["headers"]
            if (name := key.decode("latin-1").lower()) in ("traceparent", "tracestate")
        }
        wall = _wall_clock()
        request = self._tracer.start_span(
            f"{done.method} {done.route}",
            context=TraceContextTextMapPropagator().extract(headers, getter=self._getter),
            kind=trace.SpanKind.SERVER,
            start_time=wall(done.started),
            attributes=_attributes(done),
        )
        if not done.status or done.status >= 500:
            request.set_status(trace.StatusCode.ERROR)
        within = trace.set_span_in_context(request)
        for name, start, end in done.stages.intervals:
            stage = self._tracer.start_span(name, context=within, start_time=wall(start))
            stage.end(wall(end))
        request.end(wall(done.started + done.seconds))

    def close(self) -> None:
        """Send what has not been sent yet."""
        self._provider.shutdown()


def check_installed() -> None:
    """Raises TracesUnavailable where the extra `otel` is not installed."""
    try:
        missing = find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:  # of a package above it
        missing = True
    if missing:
        raise TracesUnavailable("traces need more packages: pip install 'deepshelf[otel]'")


def exporting_to(endpoint: str) -> Tracing:
    """Traces that go to an OTLP/HTTP collector at this URL.

    Raises:
        TracesUnavailable: see `check_installed`.
    """
    check_installed()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and the like are heeded by the packages themselves.
    provider = TracerProvider(resource=Resource.create({"service.name": "deepshelf"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


def _attributes(done: Finished) -> dict[str, str | int]:
    """Names are those of OpenTelemetry's semantic conventions for HTTP, where these have one."""
    attributes: dict[str, str | int] = {
        "http.request.method": done.method,
        "http.route": done.route,
        "http.response.status_code": done.status,
        "deepshelf.request_id": str(done.scope["state"]["request_id"]),
    }
    for name in _NOTED:
        value = done.event.get(name)
        if isinstance(value, str | int):
            attributes[f"deepshelf.{name}"] = value
    if done.cancelled:
        attributes["deepshelf.cancelled"] = True
    return attributes


def _wall_clock() -> Callable[[float], int]:
    """From seconds of `time.monotonic` to nanoseconds since 1970."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda seconds: offset + int(seconds * 1e9)
