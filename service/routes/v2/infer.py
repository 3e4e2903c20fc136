"""`POST /v2/models/…/infer`: tensors as JSON or bytes, compressed or not, both ways."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.codecs.content_coding import decoded, encoded, wanted
from service.errors import DeadlineExceeded
from service.handlers.v2_infer import Limits, infer
from service.handlers.v2_models import Found, find
from service.handlers.v2_protocol import Asked, read_question, write_answer
from service.handlers.v2_text import read_texts, text_outputs
from service.middleware.request_log import note
from service.observability.timing import timed
from service.routes.http.execution import compute, watched
from service.routes.http.request_body import body_chunks
from service.routes.v2.openapi_fragments import TAG, ModelName, ModelVersion, errors
from service.runtime.statistics import Phases
from service.scheduling.admission import Ticket
from service.schemas.v2 import InferAnswer, InferQuestion
from service.state import Running, running

__all__ = ["router"]

router = APIRouter(prefix="/v2/models", tags=[TAG])

_HEADER = "Inference-Header-Content-Length"
_JSON_SHARE = 4
"""JSON becomes Python objects, several times its size, so it may be a quarter of a body alone."""
_BYTES_PER_CHAR, _BYTES_BESIDE = 12, 64 << 10

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_DOCUMENTED: dict[str, Any] = {
    "responses": {
        200: {
            "model": InferAnswer,
            "description": "JSON, and after it the outputs that were asked for as bytes: then the "
            f"header {_HEADER} says where the JSON ends",
            "content": {"application/octet-stream": _BINARY},
            "headers": {
                _HEADER: {
                    "description": "Bytes of JSON, where bytes of tensors come after it",
                    "schema": {"type": "integer"},
                }
            },
        },
        **errors(400, 404, 413, 415, 500, 503, 504),
    },
    "response_class": Response,
    "openapi_extra": {
        "parameters": [
            {
                "name": _HEADER,
                "in": "header",
                "required": False,
                "description": "Bytes of JSON, where bytes of tensors come after it",
                "schema": {"type": "integer", "minimum": 0, "examples": [91]},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": InferQuestion.model_json_schema(
                        ref_template="#/components/schemas/{model}"
                    )
                },
                "application/octet-stream": _BINARY,
            },
        },
    },
}


@router.post(
    "/{model}/infer", operation_id="v2_infer", summary="Tensors in, tensors out", **_DOCUMENTED
)
async def infer_model(request: Request, model: ModelName) -> Response:
    """By the highest version that is ready.

        curl http://127.0.0.1:8000/v2/models/charnn-tiny/infer -d '{"inputs": [{"name":
            "text_input", "shape": [1], "datatype": "BYTES", "data": ["482 = "]}]}'

    Tensors as bytes (`binary_data_size`, `binary_data`, `binary_data_output`), `classification`
    of outputs, and Content-Encoding and Accept-Encoding gzip and deflate are understood; the
    parameter `precision` chooses a model's fp32 or int8 graph; `timeout` and `priority` change
    nothing.
    """
    return await _infer(request, model, None)


@router.post(
    "/{model}/versions/{version}/infer",
    operation_id="v2_version_infer",
    summary="Tensors in, tensors out, by one version",
    **_DOCUMENTED,
)
async def infer_version(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """As without a version."""
    return await _infer(request, model, version)


async def _infer(request: Request, name: str, version: str | None) -> Response:
    service = running(request)
    began, arrived = time.perf_counter_ns(), service.pool.gate.now()
    found = find(service.registry.shelf, name, version)
    note(request, model=found.name, version=found.model.version)
    gate = service.pool.gate if found.graph else service.decoder.gate
    gate.refuse_if_full()
    body = await _body(request, gate.remaining_s(arrived), _limit(service, found))
    ask = _graph if found.graph else _texts
    try:
        answer, phases, runs = await ask(request, found, body, arrived)
    except BaseException:
        service.statistics.failed(found.key, time.perf_counter_ns() - began)
        raise
    service.statistics.succeeded(found.key, time.perf_counter_ns() - began, phases, runs)
    return answer


_Answered = tuple[Response, Phases, list[int]]


async def _graph(request: Request, found: Found, body: bytes, arrived: float) -> _Answered:
    service, queued = running(request), time.perf_counter_ns()
    limits = Limits(service.settings.max_images, service.settings.max_prompt_chars)

    def work(ticket: Ticket) -> _Answered:
        started = time.perf_counter_ns()
        asked, chosen = _read(service, request, found, body)
        read = time.perf_counter_ns()
        computed = infer(chosen, asked, limits, ticket.check)
        inferred = time.perf_counter_ns()
        answer = _answer(request, asked, chosen, dict(computed.outputs))
        phases = Phases(
            queue=started - queued,
            compute_input=read - started + computed.input_ns,
            compute_infer=computed.infer_ns,
            compute_output=time.perf_counter_ns() - inferred,
        )
        return answer, phases, computed.runs

    return await compute(request, arrived, work)


async def _texts(request: Request, found: Found, body: bytes, arrived: float) -> _Answered:
    service, started = running(request), time.perf_counter_ns()
    asked, chosen = _read(service, request, found, body)
    texts = read_texts(chosen, asked, service.settings, service.decoder, arrived)
    read = time.perf_counter_ns()
    try:
        written = await watched(request, texts, texts.whole())
    except BaseException:
        texts.abandon()
        raise
    done = time.perf_counter_ns()
    answer = _answer(request, asked, chosen, text_outputs(texts, written))
    phases = Phases(
        compute_input=read - started,
        compute_infer=done - read,
        compute_output=time.perf_counter_ns() - done,
    )
    return answer, phases, [1] * len(written)


@timed("decode")
def _read(service: Running, request: Request, found: Found, body: bytes) -> tuple[Asked, Found]:
    """What is asked, and of which precision of the model."""
    limit = _limit(service, found)
    whole = decoded(body, request.headers.get("content-encoding"), limit)
    asked = read_question(whole, request.headers.get(_HEADER), most_json=limit // _JSON_SHARE)
    return asked, found.at(asked.question.parameters.get("precision"))


@timed("encode")
def _answer(request: Request, asked: Asked, found: Found, outputs: dict[str, Any]) -> Response:
    body, json_bytes = write_answer(asked, found, outputs)
    headers = {"Vary": "Accept-Encoding"}
    if json_bytes is not None:
        headers[_HEADER] = str(json_bytes)
    coding = wanted(request.headers.get("accept-encoding"))
    if coding is not None:
        body = encoded(body, coding)
        headers["Content-Encoding"] = coding
    kind = "application/json" if json_bytes is None else "application/octet-stream"
    return Response(body, headers=headers, media_type=kind)


def _limit(service: Running, found: Found) -> int:
    """Bytes of a body, as it comes and unpacked."""
    settings = service.settings
    if found.graph:
        return settings.max_body_bytes
    # What the longest texts need: these are read on the event loop.
    texts = settings.text_streams * settings.max_prompt_chars * _BYTES_PER_CHAR
    return min(settings.max_body_bytes, _JSON_SHARE * texts + _BYTES_BESIDE)


async def _body(request: Request, within_s: float, limit: int) -> bytes:
    try:
        async with asyncio.timeout(within_s):
            return b"".join([chunk async for chunk in body_chunks(request, limit)])
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None
