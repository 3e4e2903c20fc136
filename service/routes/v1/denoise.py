"""`POST /v1/denoise`."""

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Denoising, Task
from service.errors import InvalidValue
from service.handlers.denoise import DenoisedImage, denoise
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.model_request import read_image_request
from service.routes.http.openapi_fragments import (
    MODEL_HEADERS,
    UPLOAD_STATUSES,
    header_object,
    image_upload,
    problem_responses,
)
from service.routes.http.queued import queued
from service.routes.http.responses import (
    BINARY,
    JSON,
    PNG,
    format_fixed,
    json_response,
    model_fields,
    model_headers,
)
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.denoise import DenoiseParams, DenoiseResponse, DenoiseResult
from service.state import get_state

router = create_router(prefix="/v1", tags=["images"])


@router.post(
    "/denoise",
    operation_id="denoise",
    summary="Remove noise from images",
    responses={
        200: {
            "model": DenoiseResponse,
            "description": "The image as PNG, or on `Accept: application/json` all images",
            "content": {PNG: BINARY},
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-PSNR-dB": header_object(
                    "PSNR against the reference, if one was sent", "number"
                ),
                "X-DeepShelf-SSIM": header_object(
                    "SSIM against the reference, if one was sent", "number"
                ),
            },
        },
        **problem_responses(*UPLOAD_STATUSES),
    },
    openapi_extra=image_upload(DenoiseParams, with_reference=True),
)
@queued("images")
async def denoise_images(request: Request) -> Response:
    """Return each image at the same size, without its noise. Images may have any size.

        curl -F image=@noisy.png http://127.0.0.1:8000/v1/denoise -o clean.png
        curl -F image=@noisy.png -F strength=0.6 http://127.0.0.1:8000/v1/denoise -o softer.png
        curl -F image=@noisy.png -F reference=@clean.png http://127.0.0.1:8000/v1/denoise -i
        curl -F image=@noisy.png -H accept:application/json http://127.0.0.1:8000/v1/denoise

    The response is a PNG unless `Accept` prefers JSON; several images need JSON. If a clean
    `reference` of the same size is sent, the response includes PSNR and SSIM against it.
    `strength` below 1 leaves some of the noise, and with it fine texture. The image is converted
    to the model's colour mode, which its card names; a grey image stays grey. Images that would
    take longer than the deadline are rejected after the first tile with 413 and the number of
    pixels that fit.
    """
    max_pixels = get_state(request).settings.max_pixels
    media_type = negotiate(request.headers.get("accept"), (PNG, JSON))
    image_request = await read_image_request(
        request, Denoising, DenoiseParams, files=("image", "reference")
    )
    model, images = image_request.model, image_request.images
    references = image_request.files.get("reference", [])
    if media_type == PNG and len(images) > 1:
        raise InvalidValue(
            f"the request has {len(images)} images, and a response of type {PNG} holds one; "
            f"send Accept: {JSON} for several",
            accepted=[JSON],
        )

    def work(ticket: Ticket) -> Response:
        denoised = denoise(
            model,
            images,
            references,
            strength=image_request.params.strength,
            max_pixels=max_pixels,
            ticket=ticket,
        )
        if media_type == PNG:
            return _png_response(model, denoised[0])
        return _json_response(model, denoised, compared=bool(references))

    return await run_in_pool(request, image_request.arrival_time_s, work, model=model)


def _png_response(model: LoadedModel[Task], image: DenoisedImage) -> Response:
    headers = model_headers(
        model, PSNR_dB=format_fixed(image.psnr_db, 4), SSIM=format_fixed(image.ssim, 6)
    )
    return Response(image.png, media_type=PNG, headers=headers)


def _json_response(
    model: LoadedModel[Task], denoised: list[DenoisedImage], *, compared: bool
) -> Response:
    results = [_build_result(image, compared=compared) for image in denoised]
    return json_response(DenoiseResponse(results=results, **model_fields(model)))


def _build_result(denoised: DenoisedImage, *, compared: bool) -> DenoiseResult:
    result = DenoiseResult(image=denoised.png, width=denoised.width, height=denoised.height)
    if not compared:
        return result
    return result.model_copy(update={"psnr_db": denoised.psnr_db, "ssim": denoised.ssim})
