"""`/openai/v1`: completions and models for OpenAI's client; point its `base_url` here."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import TextGeneration
from service.errors import Invalid
from service.handlers.completions import Telling, generations
from service.handlers.generation import Texts, check_count
from service.handlers.text import TextLimits
from service.middleware.request_log import note
from service.routes.http.execution import watched
from service.routes.http.json_body import json_body, read_json
from service.routes.http.sse import Events, documented
from service.runtime.catalog import Shelf
from service.schemas.openai import (
    Completion,
    CompletionOptions,
    ModelList,
    OpenAIError,
    TextModel,
)
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/openai/v1", tags=["openai"])

_BYTES_PER_CHAR, _BYTES_BESIDE = 12, 16 << 10
_JSON = "application/json"
_MEANINGS = {
    400: "The question is not JSON, or a value is wrong; `param` names it",
    404: "There is no such model; the message says which there are",
    413: "The body is over the limit",
    415: "The content type is not JSON's",
    500: "Something unexpected; it was logged under the request's id",
    503: "Every place among the texts is taken, or the model is not ready",
    504: "The text was not written in time",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": OpenAIError,
            "description": _MEANINGS[status],
            "content": {
                _JSON: {
                    "example": {
                        "error": {
                            "message": _MEANINGS[status],
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
            "content": documented(
                {"$ref": "#/components/schemas/Completion"},
                '{"id":"cmpl-1","object":"text_completion","created":1,"model":"charnn-tiny",'
                '"choices":[{"text":"four","index":0,"logprobs":null,"finish_reason":null}]}',
            ),
        },
        **_errors(400, 404, 413, 415, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra=json_body(CompletionOptions),
)
async def completions(request: Request) -> Response:
    r"""OpenAI's completions. A token is a character; the key that clients send is not read.

    OpenAI(base_url="http://127.0.0.1:8000/openai/v1", api_key="none").completions.create(
        model="charnn-tiny", prompt="482 = ", max_tokens=80, stop="\n")
    """
    service = running(request)
    gate, settings = service.decoder.gate, service.settings
    arrived = gate.now()
    gate.refuse_if_full()
    limit = _BYTES_BESIDE + _BYTES_PER_CHAR * settings.max_prompt_chars * settings.text_streams
    options = await read_json(request, arrived, CompletionOptions, limit)
    _check(options, settings.text_streams)
    model = service.registry.shelf.resolve(TextGeneration, options.model)
    if options.precision is not None:
        model = model.at(options.precision)
    limits = TextLimits(prompt_chars=settings.max_prompt_chars, text_chars=settings.max_text_chars)
    whats = generations(model, options, limits)
    note(request, model=model.name, version=model.version, streamed=options.stream)
    texts = Texts(service.decoder, model, whats, arrived)
    telling = Telling(model, options, texts, request.scope["state"]["request_id"])
    try:
        if options.stream:
            # Until there is something to tell, a failure has a status of its own.
            await watched(request, texts, texts.started())
            return Events(request, texts, telling.pieces())
        completion = await watched(request, texts, telling.whole())
    except BaseException:
        texts.abandon()  # also where the request's own task was cancelled
        raise
    return Response(completion.to_json(), media_type=_JSON)


@router.get(
    "/models",
    operation_id="openai_models",
    summary="Which models write texts? (OpenAI)",
    responses={200: {"model": ModelList, "description": "Those that are ready"}},
    response_class=Response,
)
async def list_text_models(request: Request) -> Response:
    """The models that `/openai/v1/completions` takes."""
    answer = ModelList(object="list", data=list(_models(running(request).registry.shelf).values()))
    return Response(answer.to_json(), media_type=_JSON)


@router.get(
    "/models/{model}",
    operation_id="openai_model",
    summary="Does this model write texts? (OpenAI)",
    responses={200: {"model": TextModel, "description": "It does"}, **_errors(400, 404, 503)},
    response_class=Response,
)
async def text_model(
    request: Request,
    model: Annotated[
        str, Path(max_length=64, description="As the list names it", examples=["charnn-tiny"])
    ],
) -> Response:
    """One of the list."""
    shelf = running(request).registry.shelf
    name = shelf.resolve(TextGeneration, model).name
    return Response(_models(shelf)[name].to_json(), media_type=_JSON)


def _models(shelf: Shelf) -> dict[str, TextModel]:
    return {
        name: TextModel(
            id=name,
            object="model",
            created=int(manifest.created.timestamp()),
            owned_by="deepshelf",
        )
        for name, model in shelf.served.items()
        if isinstance(model.task, TextGeneration)
        and (manifest := shelf.entry(name, model.version).manifest) is not None
    }


def _check(options: CompletionOptions, most: int) -> None:
    """What no field alone can tell."""
    count = options.n or 1
    check_count(len(options.prompt) * count, most)
    if options.best_of not in (None, count):
        raise Invalid(f"best_of is {options.best_of}; accepted is n, which is {count}")
    if options.echo and options.logprobs is not None:
        raise Invalid("echo and logprobs are not supported together; leave one out")
    if options.stream_options is not None and not options.stream:
        raise Invalid("stream_options are for stream alone; set it, or leave them out")
