"""`POST /v1/compress` and `POST /v1/decompress`."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Compression, Task
from service.codecs.bitstream import CODE_MEDIA_TYPE, unpack_code
from service.errors import InvalidValue
from service.handlers.compress import (
    CompressionResult,
    DecompressedImage,
    check_quality,
    compress,
    decompress,
)
from service.middleware.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import CODE_UPLOAD, read_body
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.compress import (
    CompressParams,
    CompressResponse,
    DecompressParams,
    DecompressResponse,
)
from service.schemas.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    code_upload,
    header_object,
    image_upload,
    problem_responses,
)
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"], route_class=DirectRoute)

_PNG, _JSON = "image/png", "application/json"
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_PSNR_HEADER = {
    "X-DeepShelf-PSNR-dB": header_object(
        "Of the picture that will come back; absent when nothing is lost", "number"
    )
}


@router.post(
    "/compress",
    operation_id="compress",
    summary="This picture as a few bytes",
    responses={
        200: {
            "model": CompressResponse,
            "description": "The code, or on `Accept: application/json` the code and what it cost",
            "content": {CODE_MEDIA_TYPE: _BINARY},
            "headers": {**MODEL_HEADERS, **_PSNR_HEADER},
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=image_upload(CompressParams, multiple=False),
)
@queued("images")
async def compress_image(request: Request) -> Response:
    """A code that holds the picture and says what made it, for `/v1/decompress`.

        curl -F image=@photo.jpg 'http://127.0.0.1:8000/v1/compress?quality=5' -o photo.code
        curl --data-binary @photo.jpg -H accept:application/json http://127.0.0.1:8000/v1/compress

    A model for photographs takes any size, and has several qualities to choose from. One for
    digits works at one size: its card says which, and by what rule another picture is brought to
    it; the code then holds the picture at that size, and the original's is not kept. Compression
    is lossy: JSON and the header X-DeepShelf-PSNR-dB tell by how much.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    query = parse_query(request, CompressParams)
    media_type = negotiate(request.headers.get("accept"), (CODE_MEDIA_TYPE, _JSON))
    catalog = state.registry.catalog
    if query.model is not None:  # a model that is not there is no reason to read a body
        check_quality(catalog.resolve(Compression, query.model, query.version), query.quality)
    form = await read_body(
        request, arrival_time_s, files=("image",), fields=tuple(CompressParams.model_fields)
    )
    params = merge_form_fields(query, form.fields)
    model = catalog.resolve(Compression, params.model, params.version)
    image = _require_single(form.files["image"], "picture")
    add_log_fields(request, model=model.name, version=model.version)

    def work(ticket: Ticket) -> Response:
        ticket.check()
        result = compress(
            model,
            image,
            quality=params.quality,
            limits=state.limits,
            check=ticket.check,
        )
        return (
            _code_response(model, result)
            if media_type == CODE_MEDIA_TYPE
            else _compress_json_response(model, result)
        )

    return await run_in_pool(request, arrival_time_s, work)


@router.post(
    "/decompress",
    operation_id="decompress",
    summary="The picture in this code",
    responses={
        200: {
            "model": DecompressResponse,
            "description": "The picture as PNG, or as JSON on `Accept: application/json`",
            "content": {_PNG: _BINARY},
            "headers": MODEL_HEADERS,
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=code_upload(DecompressParams),
)
@queued("images")
async def decompress_code(request: Request) -> Response:
    """The picture, by the model and the version that the code names.

        curl --data-binary @digit.code http://127.0.0.1:8000/v1/decompress -o digit.png
        curl -F code=@digit.code http://127.0.0.1:8000/v1/decompress -o digit.png

    An older version's code needs that version on the shelf. An error's `reason` is one of:
    `foreign` (no code at all), `newer` (made by a later deepshelf), `truncated`, `damaged`, and
    `another model` (of the same name and version, from another store).
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    parse_query(request, DecompressParams)
    media_type = negotiate(request.headers.get("accept"), (_PNG, _JSON))
    catalog = state.registry.catalog
    form = await read_body(request, arrival_time_s, files=("code",), fields=(), spec=CODE_UPLOAD)
    data = _require_single(form.files["code"], "code")

    def work(ticket: Ticket) -> Response:
        ticket.check()
        compressed = unpack_code(data)
        model = catalog.resolve(Compression, compressed.model, compressed.version)
        result = decompress(model, compressed, limits=state.limits, check=ticket.check)
        return (
            _png_response(model, result)
            if media_type == _PNG
            else _decompress_json_response(model, result)
        )

    response = await run_in_pool(request, arrival_time_s, work)
    add_log_fields(request, model=response.headers.get("X-DeepShelf-Model"))
    return response


def _require_single(files: Sequence[bytes], noun: str) -> bytes:
    if len(files) > 1:
        raise InvalidValue(f"{len(files)} {noun}s came; accepted is one at a time")
    return files[0]


def _model_headers(model: LoadedModel[Task]) -> dict[str, str]:
    return {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}


def _quality_field(result: CompressionResult | DecompressedImage) -> dict[str, int]:
    """Left out, not null, where there is no choice."""
    return {} if result.quality is None else {"quality": result.quality}


def _code_response(model: LoadedModel[Task], result: CompressionResult) -> Response:
    headers = _model_headers(model)
    if result.psnr_db is not None:
        headers["X-DeepShelf-PSNR-dB"] = f"{result.psnr_db:.4f}"
    return Response(result.data, media_type=CODE_MEDIA_TYPE, headers=headers)


def _compress_json_response(model: LoadedModel[Task], result: CompressionResult) -> Response:
    body = CompressResponse(
        model=model.name,
        version=model.version,
        code=b64encode(result.data).decode("ascii"),
        code_bytes=len(result.data),
        bits_per_pixel=8 * len(result.data) / (result.width * result.height),
        width=result.width,
        height=result.height,
        psnr_db=result.psnr_db,
        **_quality_field(result),
    )
    return Response(body.to_json(), media_type=_JSON, headers=_model_headers(model))


def _png_response(model: LoadedModel[Task], result: DecompressedImage) -> Response:
    return Response(result.png, media_type=_PNG, headers=_model_headers(model))


def _decompress_json_response(model: LoadedModel[Task], result: DecompressedImage) -> Response:
    body = DecompressResponse(
        model=model.name,
        version=model.version,
        image=b64encode(result.png).decode("ascii"),
        width=result.width,
        height=result.height,
        **_quality_field(result),
    )
    return Response(body.to_json(), media_type=_JSON, headers=_model_headers(model))
