"""`POST /v1/classify`."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Classification
from service.handlers.classify import classify, resolve_top_k
from service.middleware.request_log import add_log_fields
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import read_body
from service.scheduling.admission import Ticket
from service.schemas.classify import ClassifyParams, ClassifyResponse
from service.schemas.openapi_fragments import UPLOAD_STATUSES, image_upload, problem_responses
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"], route_class=DirectRoute)


@router.post(
    "/classify",
    operation_id="classify",
    summary="What is in these pictures?",
    responses={
        200: {
            "model": ClassifyResponse,
            "description": "One result per picture, in the order sent",
        },
        **problem_responses(*(status for status in UPLOAD_STATUSES if status != 406)),
    },
    response_class=Response,
    openapi_extra=image_upload(ClassifyParams),
)
@queued("images")
async def classify_images(request: Request) -> Response:
    """Labels of each picture with their probabilities, best first.

        curl -F image=@cat.jpg http://127.0.0.1:8000/v1/classify
        curl --data-binary @cat.jpg 'http://127.0.0.1:8000/v1/classify?top_k=3'

    `model`, `version` and `top_k` are query parameters, or fields of the form; where both name
    one, the query wins. Without `model`, the task's default answers; the answer names it. An
    ensemble tells each member's vote too.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    query = parse_query(request, ClassifyParams)
    catalog = state.registry.catalog
    if query.model is not None:  # a model that is not there is no reason to read a body
        catalog.resolve(Classification, query.model, query.version)
    form = await read_body(
        request, arrival_time_s, files=("image",), fields=tuple(ClassifyParams.model_fields)
    )
    params = merge_form_fields(query, form.fields)
    model = catalog.resolve(Classification, params.model, params.version)
    if params.precision is not None:
        model = model.with_precision(params.precision)
    top_k = resolve_top_k(model, params.top_k)
    images = form.files["image"]
    add_log_fields(request, model=model.name, version=model.version, images=len(images))

    def work(ticket: Ticket) -> bytes:
        return classify(
            model, images, top_k=top_k, limits=state.limits, check=ticket.check
        ).to_json()

    body = await run_in_pool(request, arrival_time_s, work)
    return Response(body, media_type="application/json")
