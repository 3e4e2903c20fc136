"""`POST /v1/classify`."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Classification
from service.handlers.classify import check_top_k, classify, is_brief
from service.middleware.request_log import note
from service.routes.http.execution import compute
from service.routes.http.parameters import from_query, with_fields
from service.routes.http.request_body import read_body
from service.scheduling.admission import Ticket
from service.schemas.classify import ClassifyAnswer, ClassifyOptions
from service.schemas.openapi_fragments import UPLOAD_STATUSES, picture_upload, problems
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["pictures"])


@router.post(
    "/classify",
    operation_id="classify",
    summary="What is in these pictures?",
    responses={
        200: {
            "model": ClassifyAnswer,
            "description": "One result per picture, in the order sent",
        },
        **problems(*(status for status in UPLOAD_STATUSES if status != 406)),
    },
    response_class=Response,
    openapi_extra=picture_upload(ClassifyOptions),
)
async def classify_pictures(request: Request) -> Response:
    """Labels of each picture with their probabilities, best first.

        curl -F image=@cat.jpg http://127.0.0.1:8000/v1/classify
        curl --data-binary @cat.jpg 'http://127.0.0.1:8000/v1/classify?top_k=3'

    `model`, `version` and `top_k` are query parameters, or fields of the form; where both name
    one, the query wins. Without `model`, the task's default answers; the answer names it. An
    ensemble tells each member's vote too.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    query = from_query(request, ClassifyOptions)
    shelf = service.registry.shelf
    if query.model is not None:  # a model that is not there is no reason to read a body
        shelf.resolve(Classification, query.model, query.version)
    form = await read_body(
        request, arrived, files=("image",), fields=tuple(ClassifyOptions.model_fields)
    )
    options = with_fields(query, form.fields)
    model = shelf.resolve(Classification, options.model, options.version)
    if options.precision is not None:
        model = model.at(options.precision)
    top_k = check_top_k(model, options.top_k)
    pictures = form.files["image"]
    note(request, model=model.name, version=model.version, images=len(pictures))

    def work(ticket: Ticket) -> bytes:
        return classify(
            model, pictures, top_k=top_k, limits=service.limits, check=ticket.check
        ).to_json()

    body = await compute(request, arrived, work, brief=is_brief(model, pictures))
    return Response(body, media_type="application/json")
