"""`POST /v1/denoise`."""

from base64 import b64encode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Denoising, Task
from service.errors import InvalidValue
from service.handlers.denoise import DenoisedImage, denoise
from service.middleware.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import read_body
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.denoise import DenoiseParams, DenoiseResponse, DenoiseResult
from service.schemas.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    header_object,
    image_upload,
    problem_responses,
)
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"], route_class=DirectRoute)

_PNG, _JSON = "image/png", "application/json"


@router.post(
    "/denoise",
    operation_id="denoise",
    summary="These pictures without their noise",
    responses={
        200: {
            "model": DenoiseResponse,
            "description": "The picture as PNG, or on `Accept: application/json` all pictures",
            "content": {_PNG: {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-PSNR-dB": header_object(
                    "Against the reference, where one came", "number"
                ),
                "X-DeepShelf-SSIM": header_object(
                    "Against the reference, where one came", "number"
                ),
            },
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    response_class=Response,
    openapi_extra=image_upload(DenoiseParams, with_reference=True),
)
@queued("images")
async def denoise_images(request: Request) -> Response:
    """A picture of the same size, of any size, without its noise.

        curl -F image=@noisy.png http://127.0.0.1:8000/v1/denoise -o clean.png
        curl -F image=@noisy.png -F reference=@clean.png http://127.0.0.1:8000/v1/denoise -i
        curl -F image=@noisy.png -H accept:application/json http://127.0.0.1:8000/v1/denoise

    The answer is a PNG unless `Accept` prefers JSON; several pictures need JSON. With a clean
    `reference` of the same size, PSNR and SSIM tell how near the answer comes to it. The picture
    is brought to the colours that the model works in, which its card tells; a grey one stays grey.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    query = parse_query(request, DenoiseParams)
    media_type = negotiate(request.headers.get("accept"), (_PNG, _JSON))
    catalog = state.registry.catalog
    if query.model is not None:  # a model that is not there is no reason to read a body
        catalog.resolve(Denoising, query.model, query.version)
    form = await read_body(
        request,
        arrival_time_s,
        files=("image", "reference"),
        fields=tuple(DenoiseParams.model_fields),
    )
    params = merge_form_fields(query, form.fields)
    model = catalog.resolve(Denoising, params.model, params.version)
    images, references = form.files["image"], form.files.get("reference", [])
    if media_type == _PNG and len(images) > 1:
        raise InvalidValue(
            f"{len(images)} pictures came, and an answer of {_PNG} holds one; "
            f"ask for several with Accept: {_JSON}",
            accepted=[_JSON],
        )
    add_log_fields(request, model=model.name, version=model.version, images=len(images))
    build_response = _png_response if media_type == _PNG else _json_response

    def work(ticket: Ticket) -> Response:
        denoised = denoise(model, images, references, limits=state.limits, check=ticket.check)
        return build_response(model, denoised, compared=bool(references))

    return await run_in_pool(request, arrival_time_s, work)


def _png_response(
    model: LoadedModel[Task], denoised: list[DenoisedImage], *, compared: bool
) -> Response:
    image = denoised[0]
    headers = {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}
    if compared and image.psnr_db is not None:
        headers["X-DeepShelf-PSNR-dB"] = f"{image.psnr_db:.4f}"
    if compared and image.ssim is not None:
        headers["X-DeepShelf-SSIM"] = f"{image.ssim:.6f}"
    return Response(image.png, media_type=_PNG, headers=headers)


def _json_response(
    model: LoadedModel[Task], denoised: list[DenoisedImage], *, compared: bool
) -> Response:
    results = [_build_result(image, compared=compared) for image in denoised]
    response = DenoiseResponse(model=model.name, version=model.version, results=results)
    return Response(response.to_json(), media_type=_JSON)


def _build_result(denoised: DenoisedImage, *, compared: bool) -> DenoiseResult:
    image = b64encode(denoised.png).decode("ascii")
    result = DenoiseResult(image=image, width=denoised.width, height=denoised.height)
    if not compared:
        return result
    return result.model_copy(update={"psnr_db": denoised.psnr_db, "ssim": denoised.ssim})
