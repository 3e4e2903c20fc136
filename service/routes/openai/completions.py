"""`/openai/v1`: completions and models for OpenAI's client; point its `base_url` here."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import TextGeneration
from service.errors import InvalidValue
from service.handlers.completions import CompletionBuilder, build_generation_requests
from service.handlers.generation import GenerationGroup, check_generation_count
from service.handlers.text import TextLimits
from service.middleware.request_log import add_log_fields
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import cancel_on_disconnect
from service.routes.http.json_body import json_request_body, read_json_body
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.queued import queued
from service.routes.http.responses import JSON, json_response
from service.routes.http.sse import EventStreamResponse, event_stream_content
from service.runtime.catalog import ModelCatalog
from service.schemas.openai import (
    Completion,
    CompletionParams,
    ModelList,
    OpenAIError,
    TextModel,
)
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/openai/v1", tags=["openai"], route_class=DirectRoute)

_MAX_JSON_BYTES_PER_CHAR, _BODY_OVERHEAD_BYTES = 12, 16 << 10
_STATUS_DESCRIPTIONS = {
    400: "The question is not JSON, or a value is wrong; `param` names it",
    404: "There is no such model; the message says which there are",
    413: "The body is over the limit",
    415: "The content type is not JSON's",
    500: "Something unexpected; it was logged under the request's id",
    503: "Every place among the texts is taken, or the model is not ready",
    504: "The text was not written in time",
}


def _error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": OpenAIError,
            "description": _STATUS_DESCRIPTIONS[status],
            "content": {
                JSON: {
                    "example": {
                        "error": {
                            "message": _STATUS_DESCRIPTIONS[status],
                            "type": "invalid_request_error" if status < 500 else "server_error",
                            "param": None,
                            "code": None,
                        }
                    }
                }
            },
        }
        for status in statuses
    }


@router.post(
    "/completions",
    operation_id="openai_completions",
    summary="How do these go on? (OpenAI)",
    responses={
        200: {
            "model": Completion,
            "description": "The texts; with `stream`, events of the same shape as they are written",
            "content": event_stream_content(
                {"$ref": "#/components/schemas/Completion"},
                '{"id":"cmpl-1","object":"text_completion","created":1,"model":"charnn-tiny",'
                '"choices":[{"text":"four","index":0,"logprobs":null,"finish_reason":null}]}',
            ),
        },
        **_error_responses(400, 404, 413, 415, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra=json_request_body(CompletionParams),
)
@queued("texts")
async def create_completion(request: Request) -> Response:
    r"""OpenAI's completions. A token is a character; the key that clients send is not read.

    OpenAI(base_url="http://127.0.0.1:8000/openai/v1", api_key="none").completions.create(
        model="charnn-tiny", prompt="482 = ", max_tokens=80, stop="\n")
    """
    state = get_state(request)
    admission, settings = state.scheduler.admission, state.settings
    arrival_time_s = start_request(admission)
    limit = (
        _BODY_OVERHEAD_BYTES
        + _MAX_JSON_BYTES_PER_CHAR * settings.max_prompt_chars * settings.max_concurrent_generations
    )
    params = await read_json_body(
        request, admission.remaining_s(arrival_time_s), CompletionParams, limit
    )
    _validate_params(params, settings.max_concurrent_generations)
    model = resolve_model(request, TextGeneration, params.model, precision=params.precision)
    limits = TextLimits(
        max_prompt_chars=settings.max_prompt_chars, max_text_chars=settings.max_text_chars
    )
    generation_requests = build_generation_requests(model, params, limits)
    add_log_fields(request, streamed=params.stream)
    group = GenerationGroup(state.scheduler, model, generation_requests, arrival_time_s)
    builder = CompletionBuilder(model, params, group, request.scope["state"]["request_id"])
    try:
        if params.stream:
            # A failure before the first token still gets an error status.
            await cancel_on_disconnect(request, group, group.wait_first_tokens())
            return EventStreamResponse(request, group, builder.chunks())
        completion = await cancel_on_disconnect(request, group, builder.build())
    except BaseException:
        group.cancel()  # also if the request's own task was cancelled
        raise
    return json_response(completion)


@router.get(
    "/models",
    operation_id="openai_models",
    summary="Which models write texts? (OpenAI)",
    responses={200: {"model": ModelList, "description": "Those that are ready"}},
    response_class=Response,
)
async def list_text_models(request: Request) -> Response:
    """The models that `/openai/v1/completions` takes."""
    response = ModelList(
        object="list", data=list(_list_text_models(get_state(request).registry.catalog).values())
    )
    return json_response(response)


@router.get(
    "/models/{model}",
    operation_id="openai_model",
    summary="Does this model write texts? (OpenAI)",
    responses={
        200: {"model": TextModel, "description": "It does"},
        **_error_responses(400, 404, 503),
    },
    response_class=Response,
)
async def get_text_model(
    request: Request,
    model: Annotated[
        str, Path(max_length=64, description="As the list names it", examples=["charnn-tiny"])
    ],
) -> Response:
    """One of the list."""
    catalog = get_state(request).registry.catalog
    name = catalog.resolve(TextGeneration, model).name
    return json_response(_list_text_models(catalog)[name])


def _list_text_models(catalog: ModelCatalog) -> dict[str, TextModel]:
    return {
        name: TextModel(
            id=name,
            object="model",
            created=int(manifest.created.timestamp()),
            owned_by="deepshelf",
        )
        for name, model in catalog.served_models.items()
        if isinstance(model.task, TextGeneration)
        and (manifest := catalog.get_version(name, model.version).manifest) is not None
    }


def _validate_params(params: CompletionParams, max_generations: int) -> None:
    """What no field alone can tell."""
    count = params.n or 1
    check_generation_count(len(params.prompt) * count, max_generations)
    if params.best_of not in (None, count):
        raise InvalidValue(f"best_of is {params.best_of}; accepted is n, which is {count}")
    if params.echo and params.logprobs is not None:
        raise InvalidValue("echo and logprobs are not supported together; leave one out")
    if params.stream_options is not None and not params.stream:
        raise InvalidValue("stream_options are for stream alone; set it, or leave them out")
