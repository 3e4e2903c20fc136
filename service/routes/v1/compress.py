"""`POST /v1/compress` and `POST /v1/decompress`."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Compression, Task
from service.codecs.bitstream import CODE_TYPE, read_code
from service.errors import Invalid
from service.handlers.compress import (
    Compressed,
    Restored,
    check_quality,
    compress,
    decompress,
)
from service.middleware.request_log import note
from service.routes.http.content_negotiation import preferred
from service.routes.http.execution import compute
from service.routes.http.parameters import from_query, with_fields
from service.routes.http.request_body import CODE, read_body
from service.runtime.loaded_model import Published
from service.scheduling.admission import Ticket
from service.schemas.compress import (
    CompressAnswer,
    CompressOptions,
    DecompressAnswer,
    DecompressOptions,
)
from service.schemas.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    code_upload,
    header,
    picture_upload,
    problems,
)
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"])

_PNG, _JSON = "image/png", "application/json"
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_PSNR = {
    "X-DeepShelf-PSNR-dB": header(
        "Of the picture that will come back; absent when nothing is lost", "number"
    )
}


@router.post(
    "/compress",
    operation_id="compress",
    summary="This picture as a few bytes",
    responses={
        200: {
            "model": CompressAnswer,
            "description": "The code, or on `Accept: application/json` the code and what it cost",
            "content": {CODE_TYPE: _BYTES},
            "headers": {**MODEL_HEADERS, **_PSNR},
        },
        **problems(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=picture_upload(CompressOptions, several=False),
)
async def compress_picture(request: Request) -> Response:
    """A code that holds the picture and says what made it, for `/v1/decompress`.

        curl -F image=@photo.jpg 'http://127.0.0.1:8000/v1/compress?quality=5' -o photo.code
        curl --data-binary @photo.jpg -H accept:application/json http://127.0.0.1:8000/v1/compress

    A model for photographs takes any size, and has several qualities to choose from. One for
    digits works at one size: its card says which, and by what rule another picture is brought to
    it; the code then holds the picture at that size, and the original's is not kept. Compression
    is lossy: JSON and the header X-DeepShelf-PSNR-dB tell by how much.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    query = from_query(request, CompressOptions)
    media_type = preferred(request.headers.get("accept"), (CODE_TYPE, _JSON))
    shelf = service.registry.shelf
    if query.model is not None:  # a model that is not there is no reason to read a body
        check_quality(shelf.resolve(Compression, query.model, query.version), query.quality)
    form = await read_body(
        request, arrived, files=("image",), fields=tuple(CompressOptions.model_fields)
    )
    options = with_fields(query, form.fields)
    model = shelf.resolve(Compression, options.model, options.version)
    picture = _single(form.files["image"], "picture")
    note(request, model=model.name, version=model.version)

    def work(ticket: Ticket) -> Response:
        ticket.check()
        answer = compress(
            model,
            picture,
            quality=options.quality,
            limits=service.limits,
            check=ticket.check,
        )
        return _code(model, answer) if media_type == CODE_TYPE else _code_json(model, answer)

    return await compute(request, arrived, work)


@router.post(
    "/decompress",
    operation_id="decompress",
    summary="The picture in this code",
    responses={
        200: {
            "model": DecompressAnswer,
            "description": "The picture as PNG, or as JSON on `Accept: application/json`",
            "content": {_PNG: _BYTES},
            "headers": MODEL_HEADERS,
        },
        **problems(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=code_upload(DecompressOptions),
)
async def decompress_code(request: Request) -> Response:
    """The picture, by the model and the version that the code names.

        curl --data-binary @digit.code http://127.0.0.1:8000/v1/decompress -o digit.png
        curl -F code=@digit.code http://127.0.0.1:8000/v1/decompress -o digit.png

    An older version's code needs that version on the shelf. An error's `reason` is one of:
    `foreign` (no code at all), `newer` (made by a later deepshelf), `truncated`, `damaged`, and
    `another model` (of the same name and version, from another store).
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    from_query(request, DecompressOptions)
    media_type = preferred(request.headers.get("accept"), (_PNG, _JSON))
    shelf = service.registry.shelf
    form = await read_body(request, arrived, files=("code",), fields=(), upload=CODE)
    data = _single(form.files["code"], "code")

    def work(ticket: Ticket) -> Response:
        ticket.check()
        code = read_code(data)
        model = shelf.resolve(Compression, code.model, code.version)
        answer = decompress(model, code, limits=service.limits, check=ticket.check)
        return _picture(model, answer) if media_type == _PNG else _picture_json(model, answer)

    response = await compute(request, arrived, work)
    note(request, model=response.headers.get("X-DeepShelf-Model"))
    return response


def _single(files: Sequence[bytes], noun: str) -> bytes:
    if len(files) > 1:
        raise Invalid(f"{len(files)} {noun}s came; accepted is one at a time")
    return files[0]


def _headers(model: Published[Task]) -> dict[str, str]:
    return {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}


def _quality(answer: Compressed | Restored) -> dict[str, int]:
    """Left out, not null, where there is no choice."""
    return {} if answer.quality is None else {"quality": answer.quality}


def _code(model: Published[Task], answer: Compressed) -> Response:
    headers = _headers(model)
    if answer.psnr_db is not None:
        headers["X-DeepShelf-PSNR-dB"] = f"{answer.psnr_db:.4f}"
    return Response(answer.code, media_type=CODE_TYPE, headers=headers)


def _code_json(model: Published[Task], answer: Compressed) -> Response:
    body = CompressAnswer(
        model=model.name,
        version=model.version,
        code=b64encode(answer.code).decode("ascii"),
        code_bytes=len(answer.code),
        bits_per_pixel=8 * len(answer.code) / (answer.width * answer.height),
        width=answer.width,
        height=answer.height,
        psnr_db=answer.psnr_db,
        **_quality(answer),
    )
    return Response(body.to_json(), media_type=_JSON, headers=_headers(model))


def _picture(model: Published[Task], answer: Restored) -> Response:
    return Response(answer.png, media_type=_PNG, headers=_headers(model))


def _picture_json(model: Published[Task], answer: Restored) -> Response:
    body = DecompressAnswer(
        model=model.name,
        version=model.version,
        image=b64encode(answer.png).decode("ascii"),
        width=answer.width,
        height=answer.height,
        **_quality(answer),
    )
    return Response(body.to_json(), media_type=_JSON, headers=_headers(model))
