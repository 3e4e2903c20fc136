"""`POST /v2/models/…/infer`: tensors as JSON or bytes, compressed or not."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.codecs.content_coding import encode_body
from service.handlers.tensor_inputs import tensor_requirements
from service.handlers.tensors import infer
from service.observability.request_log import add_log_fields
from service.observability.timing import timed
from service.routes.http.content_negotiation import negotiate_coding
from service.routes.http.direct_route import create_router
from service.routes.http.execution import cancel_on_disconnect, run_in_pool
from service.routes.http.json_body import JSON_BODY_DIVISOR, json_request_body, max_json_bytes
from service.routes.http.model_request import start_request
from service.routes.http.openapi_fragments import header_object, problem_responses
from service.routes.http.queued import queued
from service.routes.http.request_body import read_bytes
from service.routes.http.responses import BINARY
from service.routes.v2.openapi_fragments import MODEL, TAG, VERSION
from service.routes.v2.outputs import apply_classification, requested_outputs
from service.routes.v2.protocol import ParsedRequest, build_infer_response, parse_infer_request
from service.routes.v2.target import InferTarget, resolve_requested
from service.routes.v2.text import build_text_outputs, start_text_generation
from service.runtime.statistics import PhaseDurations
from service.scheduling.admission import Ticket
from service.schemas.v2 import InferRequest, InferResponse
from service.state import AppState, get_state

router = create_router(prefix="/v2/models", tags=[TAG])

_JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
_JSON_LENGTH_DESCRIPTION = "Length of the JSON in bytes, if tensors as bytes follow it"
_JSON_LENGTH_PARAMETER = {
    "name": _JSON_LENGTH_HEADER,
    "in": "header",
    "required": False,
    "description": _JSON_LENGTH_DESCRIPTION,
    "schema": {"type": "integer", "minimum": 0, "examples": [91]},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": InferResponse,
        "description": "JSON, followed by the outputs requested as bytes, if any; then the "
        f"header {_JSON_LENGTH_HEADER} is the length of the JSON",
        "content": {"application/octet-stream": BINARY},
        "headers": {_JSON_LENGTH_HEADER: header_object(_JSON_LENGTH_DESCRIPTION, "integer")},
    },
    **problem_responses(404, 413, 415, 422, 500, 503, 504),
}
_REQUEST_BODY = json_request_body(InferRequest, {"application/octet-stream": BINARY})


@router.post(
    "/{model}/infer",
    operation_id="v2_infer",
    summary="Infer with a model",
    responses=_RESPONSES,
    openapi_extra={"parameters": [MODEL, _JSON_LENGTH_PARAMETER], **_REQUEST_BODY},
)
@router.post(
    "/{model}/versions/{version}/infer",
    operation_id="v2_version_infer",
    summary="Infer with one version of a model",
    responses=_RESPONSES,
    openapi_extra={"parameters": [MODEL, VERSION, _JSON_LENGTH_PARAMETER], **_REQUEST_BODY},
)
@queued("by model")
async def infer_tensors(request: Request) -> Response:
    """Infer with one version, or with the highest that is ready.

        curl http://127.0.0.1:8000/v2/models/charnn-tiny/infer -d '{"inputs": [{"name":
            "text_input", "shape": [1], "datatype": "BYTES", "data": ["482 = "]}]}'

    Tensors as bytes (`binary_data_size`, `binary_data`, `binary_data_output`), `classification`
    of outputs, and Content-Encoding and Accept-Encoding gzip and deflate are supported; the
    parameter `precision` selects a model's fp32 or int8 graph; `timeout` and `priority` are
    ignored.
    """
    state = get_state(request)
    start_ns = time.perf_counter_ns()
    target = resolve_requested(request)
    add_log_fields(request, model=target.name, version=target.model.version)
    admission = state.pool.admission if target.graph else state.scheduler.admission
    arrival_time_s = start_request(admission)
    body = await read_bytes(request, _max_body_bytes(state, target))
    run_inference = _infer_graph if target.graph else _infer_text
    try:
        response, phases, batch_sizes = await run_inference(request, target, body, arrival_time_s)
    except BaseException:
        state.statistics.record_failure(target.key, time.perf_counter_ns() - start_ns)
        raise
    state.statistics.record_success(
        target.key, time.perf_counter_ns() - start_ns, phases, batch_sizes
    )
    return response


_InferOutcome = tuple[Response, PhaseDurations, list[int]]


async def _infer_graph(
    request: Request, base_target: InferTarget, body: bytes, arrival_time_s: float
) -> _InferOutcome:
    state, queued_ns = get_state(request), time.perf_counter_ns()

    def work(ticket: Ticket) -> _InferOutcome:
        start_ns = time.perf_counter_ns()
        parsed, target = _parse_request(state, request, base_target, body)
        graph, model = target.require_graph(), target.model
        requested = requested_outputs(graph, parsed)
        inputs = parsed.decode_inputs(tensor_requirements(model.task, graph))
        parsed_ns = time.perf_counter_ns()
        result = infer(model, graph, inputs, state.infer_limits, ticket.check)
        inferred_ns = time.perf_counter_ns()
        outputs = {
            output.name: apply_classification(model.task, output, result.outputs[output.name])
            for output in requested
        }
        response = _build_response(request, parsed, target, outputs)
        phases = PhaseDurations(
            queue=start_ns - queued_ns,
            compute_input=parsed_ns - start_ns,
            compute_infer=inferred_ns - parsed_ns,
            compute_output=time.perf_counter_ns() - inferred_ns,
        )
        return response, phases, result.batch_sizes

    return await run_in_pool(
        request, arrival_time_s, work, model=base_target.model, is_upload=False
    )


async def _infer_text(
    request: Request, base_target: InferTarget, body: bytes, arrival_time_s: float
) -> _InferOutcome:
    state, start_ns = get_state(request), time.perf_counter_ns()
    parsed, target = _parse_request(state, request, base_target, body)
    group = start_text_generation(target, parsed, state, arrival_time_s)
    parsed_ns = time.perf_counter_ns()
    try:
        outputs = await cancel_on_disconnect(request, group, group.results())
    except BaseException:
        group.cancel()
        raise
    generated_ns = time.perf_counter_ns()
    response = _build_response(request, parsed, target, build_text_outputs(group, outputs))
    phases = PhaseDurations(
        compute_input=parsed_ns - start_ns,
        compute_infer=generated_ns - parsed_ns,
        compute_output=time.perf_counter_ns() - generated_ns,
    )
    return response, phases, [1] * len(outputs)


@timed("decode")
def _parse_request(
    state: AppState, request: Request, target: InferTarget, body: bytes
) -> tuple[ParsedRequest, InferTarget]:
    """Return the request, and the target in the requested precision."""
    limit = _max_body_bytes(state, target)
    parsed = parse_infer_request(
        body, request.headers.get(_JSON_LENGTH_HEADER), max_json_bytes=limit // JSON_BODY_DIVISOR
    )
    return parsed, target.with_precision(parsed.request.parameters.get("precision"))


@timed("encode")
def _build_response(
    request: Request, parsed: ParsedRequest, target: InferTarget, outputs: dict[str, Any]
) -> Response:
    body, json_bytes = build_infer_response(parsed, target, outputs)
    headers = {"Vary": "Accept-Encoding"}
    if json_bytes is not None:
        headers[_JSON_LENGTH_HEADER] = str(json_bytes)
    coding = negotiate_coding(request.headers.get("accept-encoding"))
    if coding is not None:
        body = encode_body(body, coding)
        headers["Content-Encoding"] = coding
    media_type = "application/json" if json_bytes is None else "application/octet-stream"
    return Response(body, headers=headers, media_type=media_type)


def _max_body_bytes(state: AppState, target: InferTarget) -> int:
    """Return the limit of a body in bytes, compressed and decompressed."""
    settings = state.settings
    if target.graph:
        return settings.max_body_bytes
    # Enough for the longest prompts: they are parsed on the event loop.
    max_chars = settings.max_concurrent_generations * settings.max_prompt_chars
    return min(settings.max_body_bytes, JSON_BODY_DIVISOR * max_json_bytes(max_chars))
