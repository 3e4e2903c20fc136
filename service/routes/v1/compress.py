"""`POST /v1/compress` and `POST /v1/decompress`."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Compression, Task
from service.codecs.bitstream import CODE_MEDIA_TYPE, unpack_code
from service.errors import InvalidValue, ServiceError
from service.handlers.compress import CompressionResult, DecompressedImage, compress, decompress
from service.observability.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.model_request import read_image_request, start_request
from service.routes.http.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    code_upload,
    header_object,
    image_upload,
    problem_responses,
)
from service.routes.http.parameters import parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import CODE_UPLOAD, read_files
from service.routes.http.responses import (
    BINARY,
    JSON,
    PNG,
    format_fixed,
    json_response,
    model_fields,
    model_headers,
)
from service.runtime.catalog import ModelCatalog
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.compress import (
    CompressParams,
    CompressResponse,
    DecompressParams,
    DecompressResponse,
)
from service.state import get_state

router = create_router(prefix="/v1", tags=["images"])

_MAX_SMALL_CODE_BYTES = 1024
"""Codes up to this size are unpacked on the event loop, in microseconds."""

_PSNR_HEADER = {
    "X-DeepShelf-PSNR-dB": header_object(
        "PSNR of the decompressed image; absent if nothing is lost", "number"
    )
}


@router.post(
    "/compress",
    operation_id="compress",
    summary="Compress an image",
    responses={
        200: {
            "model": CompressResponse,
            "description": "The code; on `Accept: application/json`, the code with its size and "
            "quality",
            "content": {CODE_MEDIA_TYPE: BINARY},
            "headers": {**MODEL_HEADERS, **_PSNR_HEADER},
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    openapi_extra=image_upload(CompressParams, multiple=False),
)
@queued("images")
async def compress_image(request: Request) -> Response:
    """Return a code for the image, which identifies its model, for `/v1/decompress`.

        curl -F image=@photo.jpg 'http://127.0.0.1:8000/v1/compress?quality=5' -o photo.code
        curl --data-binary @photo.jpg -H accept:application/json http://127.0.0.1:8000/v1/compress

    A model for photographs takes any size and has several qualities. A model for digits works at
    one size: its card names the size and how another image is fitted to it; the code then holds
    the fitted image, without the original size. Compression is lossy: the JSON response and the
    header X-DeepShelf-PSNR-dB say how much is lost.
    """
    max_pixels = get_state(request).settings.max_pixels
    media_type = negotiate(request.headers.get("accept"), (CODE_MEDIA_TYPE, JSON))
    image_request = await read_image_request(request, Compression, CompressParams)
    model, quality = image_request.model, image_request.params.quality
    image = _require_single(image_request.images, "images")
    build_response = _code_response if media_type == CODE_MEDIA_TYPE else _compress_json_response

    def work(ticket: Ticket) -> Response:
        ticket.check()
        result = compress(model, image, quality=quality, max_pixels=max_pixels, check=ticket.check)
        return build_response(model, result)

    return await run_in_pool(request, image_request.arrival_time_s, work, model=model)


@router.post(
    "/decompress",
    operation_id="decompress",
    summary="Decompress a code",
    responses={
        200: {
            "model": DecompressResponse,
            "description": "The image as PNG, or as JSON on `Accept: application/json`",
            "content": {PNG: BINARY},
            "headers": MODEL_HEADERS,
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    openapi_extra=code_upload(DecompressParams),
)
@queued("images")
async def decompress_code(request: Request) -> Response:
    """Return the image, decoded by the model and version that wrote the code.

        curl --data-binary @digit.code http://127.0.0.1:8000/v1/decompress -o digit.png
        curl -F code=@digit.code http://127.0.0.1:8000/v1/decompress -o digit.png

    A code of an older version needs that version in the store. An error's `reason` is one of:
    `foreign` (not a code), `newer` (made by a later deepshelf), `truncated`, `damaged`, and
    `another model` (no model in this store wrote it).
    """
    state = get_state(request)
    catalog, max_pixels = state.registry.catalog, state.settings.max_pixels
    arrival_time_s = start_request(state.pool.admission)
    parse_query(request, DecompressParams)
    media_type = negotiate(request.headers.get("accept"), (PNG, JSON))
    form = await read_files(request, files=("code",), fields=(), spec=CODE_UPLOAD)
    data = _require_single(form.files["code"], "codes")
    build_response = _png_response if media_type == PNG else _decompress_json_response

    def work(ticket: Ticket) -> Response:
        ticket.check()
        compressed = unpack_code(data)
        model = catalog.resolve_fingerprint(compressed.fingerprint)
        result = decompress(model, compressed, max_pixels=max_pixels, check=ticket.check)
        return build_response(model, result)

    batch_model = _model_of_small_code(catalog, data)
    response = await run_in_pool(request, arrival_time_s, work, model=batch_model)
    add_log_fields(request, model=response.headers["X-DeepShelf-Model"])
    return response


def _model_of_small_code(catalog: ModelCatalog, data: bytes) -> LoadedModel[Compression] | None:
    """Return the model of a code that is quickly unpacked, with which it may share runs."""
    if len(data) > _MAX_SMALL_CODE_BYTES:
        return None
    try:
        return catalog.resolve_fingerprint(unpack_code(data).fingerprint)
    except ServiceError:
        return None  # raised again on the compute thread, for the response


def _require_single(files: Sequence[bytes], plural: str) -> bytes:
    if len(files) > 1:
        raise InvalidValue(f"the request has {len(files)} {plural}; expected one")
    return files[0]


def _code_response(model: LoadedModel[Task], result: CompressionResult) -> Response:
    headers = model_headers(model, PSNR_dB=format_fixed(result.psnr_db, 4))
    return Response(result.data, media_type=CODE_MEDIA_TYPE, headers=headers)


def _compress_json_response(model: LoadedModel[Task], result: CompressionResult) -> Response:
    body = CompressResponse(
        code=result.data,
        code_bytes=len(result.data),
        bits_per_pixel=8 * len(result.data) / (result.width * result.height),
        width=result.width,
        height=result.height,
        psnr_db=result.psnr_db,
        **model_fields(model, quality=result.quality),
    )
    return json_response(body, model_headers(model))


def _png_response(model: LoadedModel[Task], result: DecompressedImage) -> Response:
    return Response(result.png, media_type=PNG, headers=model_headers(model))


def _decompress_json_response(model: LoadedModel[Task], result: DecompressedImage) -> Response:
    body = DecompressResponse(
        image=result.png,
        width=result.width,
        height=result.height,
        **model_fields(model, quality=result.quality),
    )
    return json_response(body, model_headers(model))
