"""`POST /v1/classify`."""

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Classification
from service.handlers.classify import ImageLabels, classify, resolve_top_k
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.model_request import read_image_request
from service.routes.http.openapi_fragments import UPLOAD_STATUSES, image_upload, problem_responses
from service.routes.http.queued import queued
from service.routes.http.responses import json_response, model_fields
from service.scheduling.admission import Ticket
from service.schemas.classify import ClassifyParams, ClassifyResponse, ImageClassification
from service.state import get_state

router = create_router(prefix="/v1", tags=["images"])


@router.post(
    "/classify",
    operation_id="classify",
    summary="Classify images",
    responses={
        200: {"model": ClassifyResponse, "description": "One result per image, in the order sent"},
        **problem_responses(*(status for status in UPLOAD_STATUSES if status != 406)),
    },
    openapi_extra=image_upload(ClassifyParams),
)
@queued("images")
async def classify_images(request: Request) -> Response:
    """Return the labels of each image with their probabilities, best first.

        curl -F image=@cat.jpg http://127.0.0.1:8000/v1/classify
        curl --data-binary @cat.jpg 'http://127.0.0.1:8000/v1/classify?top_k=3'

    Parameters are query parameters, or fields of the form; if both name one, the query wins.
    Without `model`, the task's default model is used; the response names it. For an ensemble, the
    response includes each member's vote.
    """
    max_pixels = get_state(request).settings.max_pixels
    image_request = await read_image_request(request, Classification, ClassifyParams)
    model, images = image_request.model, image_request.images
    top_k = resolve_top_k(model, image_request.params.top_k)

    def work(ticket: Ticket) -> Response:
        results = classify(model, images, top_k=top_k, max_pixels=max_pixels, check=ticket.check)
        body = ClassifyResponse(results=list(map(_build_result, results)), **model_fields(model))
        return json_response(body)

    return await run_in_pool(request, image_request.arrival_time_s, work, model=model)


def _build_result(labels: ImageLabels) -> ImageClassification:
    if labels.member_votes is None:
        return ImageClassification(predictions=labels.predictions)
    return ImageClassification(predictions=labels.predictions, members=labels.member_votes)
