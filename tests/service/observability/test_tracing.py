import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.observability.tracing import Tracing
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import AsgiRequest, running_app

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
"""The example of W3C Trace Context, section 3.2.3."""


class Traced:
    """A service whose spans stay in memory."""

    def __init__(self, client: httpx.AsyncClient, exporter: InMemorySpanExporter) -> None:
        self.client = client
        self._exporter = exporter

    def spans(self) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """Return the span of the request and those within it, in the order of their start."""
        spans = list(self._exporter.get_finished_spans())
        (request,) = [span for span in spans if span.kind is SpanKind.SERVER]
        spans.remove(request)
        return request, sorted(spans, key=lambda span: span.start_time or 0)


@pytest.fixture
async def traced(store: Path) -> AsyncIterator[Traced]:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with running_app(store, observers=(Tracing(provider),)) as client:
        yield Traced(client, exporter)
    provider.shutdown()


async def test_a_request_is_a_span_with_its_stages_within(traced: Traced) -> None:
    response = await traced.client.post("/v1/classify", files=[("image", IMAGE)] * 2)
    request, stages = traced.spans()
    assert request.name == "POST /v1/classify"
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/classify",
        "http.response.status_code": 200,
        "deepshelf.request_id": response.headers["x-request-id"],
        "deepshelf.model": "paint",
        "deepshelf.version": 2,
        "deepshelf.images": 2,
    }
    assert [stage.name for stage in stages] == ["queue", *["decode", "run"] * 2, "encode"]
    moments = [request.start_time or 0]
    for stage in stages:
        assert stage.parent is not None
        assert stage.parent.span_id == request.context.span_id
        moments += [stage.start_time or 0, stage.end_time or 0]
    assert sorted(moments) == moments
    assert moments[-1] <= (request.end_time or 0)


async def test_trace_of_the_caller_is_continued(traced: Traced) -> None:
    await traced.client.get("/livez", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    request, _ = traced.spans()
    assert request.context.trace_id == int(TRACE, 16)
    assert request.parent is not None
    assert request.parent.span_id == int(PARENT, 16)


@pytest.mark.parametrize("header", ["", "nonsense", "00-0-0-00", f"00-{TRACE}-{PARENT}-01" * 99])
async def test_invalid_traceparent_starts_a_new_trace(traced: Traced, header: str) -> None:
    response = await traced.client.get("/livez", headers={"traceparent": header})
    assert response.status_code == 200
    assert traced.spans()[0].parent is None


async def test_client_errors_are_no_span_errors_and_server_errors_are(traced: Traced) -> None:
    await traced.client.post("/v1/classify", content=b"hello")
    request, _ = traced.spans()
    assert (request.attributes or {})["http.response.status_code"] == 415
    assert request.status.status_code is StatusCode.UNSET


async def test_client_disconnect_is_recorded(traced: Traced) -> None:
    caller = AsgiRequest(traced.client, IMAGE[:10], more_body=True)
    caller.disconnected.set()
    await caller.run()
    request, _ = traced.spans()
    assert (request.attributes or {})["deepshelf.cancelled"] is True


async def test_spans_reach_the_collector_that_the_settings_name(store: Path) -> None:
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        try:
            async with running_app(store, otlp_endpoint=endpoint) as client:
                await client.post("/v1/classify", content=IMAGE)
        finally:
            await asyncio.to_thread(collector.shutdown)
            thread.join()
    (resource,) = received[0].resource_spans
    names = {span.name for scope in resource.scope_spans for span in scope.spans}
    assert names == {"POST /v1/classify", "queue", "decode", "run", "encode"}
    attributes = {
        attribute.key: attribute.value.string_value for attribute in resource.resource.attributes
    }
    assert attributes["service.name"] == "deepshelf"


_WITHOUT = """
import sys

class ImportBlocker:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, ImportBlocker())
from service.cli import app
app(["--otlp-endpoint=http://127.0.0.1:9/v1/traces", "--store=."])
"""


def test_error_without_tracing_packages_names_the_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'deepshelf[otel]'" in done.stderr
    assert done.stderr.count("\n") == 1
