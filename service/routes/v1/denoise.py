"""`POST /v1/denoise`."""

from base64 import b64encode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Denoising, Task
from service.errors import Invalid
from service.handlers.denoise import Cleaned, denoise
from service.middleware.request_log import note
from service.routes.http.content_negotiation import preferred
from service.routes.http.execution import compute
from service.routes.http.parameters import from_query, with_fields
from service.routes.http.request_body import read_body
from service.runtime.loaded_model import Published
from service.scheduling.admission import Ticket
from service.schemas.denoise import DenoiseAnswer, Denoised, DenoiseOptions
from service.schemas.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    header,
    picture_upload,
    problems,
)
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"])

_PNG, _JSON = "image/png", "application/json"


@router.post(
    "/denoise",
    operation_id="denoise",
    summary="These pictures without their noise",
    responses={
        200: {
            "model": DenoiseAnswer,
            "description": "The picture as PNG, or on `Accept: application/json` all pictures",
            "content": {_PNG: {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-PSNR-dB": header("Against the reference, where one came", "number"),
                "X-DeepShelf-SSIM": header("Against the reference, where one came", "number"),
            },
        },
        **problems(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=picture_upload(DenoiseOptions, reference=True),
)
async def denoise_pictures(request: Request) -> Response:
    """A picture of the same size, of any size, without its noise.

        curl -F image=@noisy.png http://127.0.0.1:8000/v1/denoise -o clean.png
        curl -F image=@noisy.png -F reference=@clean.png http://127.0.0.1:8000/v1/denoise -i
        curl -F image=@noisy.png -H accept:application/json http://127.0.0.1:8000/v1/denoise

    The answer is a PNG unless `Accept` prefers JSON; several pictures need JSON. With a clean
    `reference` of the same size, PSNR and SSIM tell how near the answer comes to it. The picture
    is brought to the colours that the model works in, which its card tells; a grey one stays grey.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    query = from_query(request, DenoiseOptions)
    media_type = preferred(request.headers.get("accept"), (_PNG, _JSON))
    shelf = service.registry.shelf
    if query.model is not None:  # a model that is not there is no reason to read a body
        shelf.resolve(Denoising, query.model, query.version)
    form = await read_body(
        request, arrived, files=("image", "reference"), fields=tuple(DenoiseOptions.model_fields)
    )
    options = with_fields(query, form.fields)
    model = shelf.resolve(Denoising, options.model, options.version)
    pictures, references = form.files["image"], form.files.get("reference", [])
    if media_type == _PNG and len(pictures) > 1:
        raise Invalid(
            f"{len(pictures)} pictures came, and an answer of {_PNG} holds one; "
            f"ask for several with Accept: {_JSON}",
            accepted=[_JSON],
        )
    note(request, model=model.name, version=model.version, images=len(pictures))
    respond = _as_png if media_type == _PNG else _as_json

    def work(ticket: Ticket) -> Response:
        cleaned = denoise(model, pictures, references, limits=service.limits, check=ticket.check)
        return respond(model, cleaned, compared=bool(references))

    return await compute(request, arrived, work)


def _as_png(model: Published[Task], cleaned: list[Cleaned], *, compared: bool) -> Response:
    one = cleaned[0]
    headers = {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}
    if compared and one.psnr_db is not None:
        headers["X-DeepShelf-PSNR-dB"] = f"{one.psnr_db:.4f}"
    if compared and one.ssim is not None:
        headers["X-DeepShelf-SSIM"] = f"{one.ssim:.6f}"
    return Response(one.png, media_type=_PNG, headers=headers)


def _as_json(model: Published[Task], cleaned: list[Cleaned], *, compared: bool) -> Response:
    results = [_result(one, compared=compared) for one in cleaned]
    answer = DenoiseAnswer(model=model.name, version=model.version, results=results)
    return Response(answer.to_json(), media_type=_JSON)


def _result(one: Cleaned, *, compared: bool) -> Denoised:
    image = b64encode(one.png).decode("ascii")
    plain = Denoised(image=image, width=one.width, height=one.height)
    if not compared:
        return plain
    return plain.model_copy(update={"psnr_db": one.psnr_db, "ssim": one.ssim})
