"""`/openai/v1`: completions and models for OpenAI's client; point its `base_url` here."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Task, TextGeneration
from service.errors import InvalidValue, NotFound
from service.handlers.generation import GenerationGroup, check_generation_count
from service.observability.request_log import add_log_fields
from service.routes.http.direct_route import create_router
from service.routes.http.execution import cancel_on_disconnect
from service.routes.http.json_body import json_request_body, max_json_bytes, read_json_body
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.queued import queued
from service.routes.http.responses import json_response
from service.routes.http.sse import EventStreamResponse, event_stream_content
from service.routes.openai.completion_builder import CompletionBuilder, build_generation_requests
from service.runtime.loaded_model import LoadedModel
from service.schemas.openai import Completion, CompletionParams, ModelList, TextModel
from service.state import get_state

router = create_router(prefix="/openai/v1", tags=["openai"])


@router.post(
    "/completions",
    operation_id="openai_completions",
    summary="Complete texts (OpenAI)",
    responses={
        200: {
            "model": Completion,
            "description": "The texts; with `stream`, events of the same shape",
            "content": event_stream_content(
                {"$ref": "#/components/schemas/Completion"},
                '{"id":"cmpl-1","object":"text_completion","created":1,"model":"charnn-tiny",'
                '"choices":[{"text":"four","index":0,"logprobs":null,"finish_reason":null}]}',
            ),
        },
        **problem_responses(404, 413, 415, 422, 500, 503, 504),
    },
    openapi_extra=json_request_body(CompletionParams),
)
@queued("texts")
async def create_completion(request: Request) -> Response:
    r"""Complete prompts as OpenAI's API does. A token is a character.

    OpenAI's client always sends a key. If this service has no keys, any text is accepted as one.

    OpenAI(base_url="http://127.0.0.1:8000/openai/v1", api_key="none").completions.create(
        model="charnn-tiny", prompt="482 = ", max_tokens=80, stop="\n")
    """
    state = get_state(request)
    settings = state.settings
    arrival_time_s = start_request(state.scheduler.admission)
    limit = max_json_bytes(settings.max_prompt_chars * settings.max_concurrent_generations)
    params = await read_json_body(request, CompletionParams, limit)
    _validate_params(params, settings.max_concurrent_generations)
    model = resolve_model(request, TextGeneration, params.model, precision=params.precision)
    generation_requests = build_generation_requests(model, params, state.text_limits)
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
    summary="List text models (OpenAI)",
    responses={200: {"model": ModelList, "description": "The models that are ready"}},
)
async def list_text_models(request: Request) -> Response:
    """List the models that `/openai/v1/completions` accepts."""
    models = get_state(request).registry.catalog.served_models.values()
    data = [_text_model(model) for model in models if isinstance(model.task, TextGeneration)]
    return json_response(ModelList(object="list", data=data))


@router.get(
    "/models/{model}",
    operation_id="openai_model",
    summary="Get a text model (OpenAI)",
    responses={
        200: {"model": TextModel, "description": "The model"},
        **problem_responses(404, 422, 503),
    },
)
async def get_text_model(
    request: Request,
    model: Annotated[
        str, Path(max_length=64, description="As the list names it", examples=["charnn-tiny"])
    ],
) -> Response:
    """Return one model of the list."""
    catalog = get_state(request).registry.catalog
    return json_response(_text_model(catalog.resolve(TextGeneration, model)))


@router.post("/chat/completions", include_in_schema=False)
@router.post("/responses", include_in_schema=False)
@router.post("/embeddings", include_in_schema=False)
async def unsupported_endpoint(request: Request) -> Response:
    """Raise NotFound, which names the endpoint that there is."""
    raise NotFound(
        f"{request.url.path} is not supported: the models of this service only complete a prompt; "
        "use /openai/v1/completions"
    )


def _text_model(model: LoadedModel[Task]) -> TextModel:
    created = int(model.manifest.created.timestamp())
    return TextModel(id=model.name, object="model", created=created, owned_by="deepshelf")


def _validate_params(params: CompletionParams, max_generations: int) -> None:
    """Check what depends on several fields or on settings."""
    count = params.n or 1
    check_generation_count(len(params.prompt) * count, max_generations)
    if params.best_of not in (None, count):
        raise InvalidValue(
            f"best_of is {params.best_of}; it must equal n, which is {count}", param="best_of"
        )
    if params.echo and params.logprobs is not None:
        raise InvalidValue(
            "echo and logprobs are not supported together; leave one out", param="logprobs"
        )
    if params.stream_options is not None and not params.stream:
        raise InvalidValue(
            "stream_options needs stream to be true; set it, or leave stream_options out",
            param="stream_options",
        )
