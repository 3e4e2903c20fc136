"""`POST /v1/text`."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import TextGeneration
from service.handlers.text import TextLimits, generation, write
from service.middleware.request_log import note
from service.routes.http.execution import watched
from service.routes.http.json_body import json_body, read_json
from service.routes.http.sse import Events, documented
from service.schemas.openapi_fragments import problems
from service.schemas.text import TextAnswer, TextOptions, TextPiece
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["text"])

_BYTES_PER_CHAR = 12
"""Of JSON at most: a character outside the basic plane, escaped as two surrogates."""
_BYTES_BESIDE = 16 << 10


@router.post(
    "/text",
    operation_id="text",
    summary="How does this go on?",
    responses={
        200: {
            "model": TextAnswer,
            "description": 'The text as JSON; with `stream`, as events `data: {"text": …}`, of '
            "which the last has `finish_reason`, and then `data: [DONE]`. A failure under way is "
            "an event `error` with a problem document, and nothing comes after it.",
            "content": documented(
                TextPiece.model_json_schema(),
                '{"text":" you?","finish_reason":"stop","model":"charnn-shakespeare","version":1,'
                '"seed":7}',
            ),
        },
        **problems(400, 404, 413, 415, 422, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra=json_body(TextOptions),
)
async def write_text(request: Request) -> Response:
    """The continuation of a prompt, character by character.

        curl -d '{"prompt": "ROMEO:", "max_chars": 300}' http://127.0.0.1:8000/v1/text
        curl -N -d '{"prompt": "ROMEO:", "stream": true}' http://127.0.0.1:8000/v1/text

    With a `seed`, the same text every time. A model knows the characters that it has read: a
    prompt with others is refused, and they are named. When the client leaves, the writing stops.
    """
    service = running(request)
    gate, settings = service.decoder.gate, service.settings
    arrived = gate.now()
    gate.refuse_if_full()
    limit = _BYTES_BESIDE + _BYTES_PER_CHAR * settings.max_prompt_chars
    options = await read_json(request, arrived, TextOptions, limit)
    model = service.registry.shelf.resolve(TextGeneration, options.model, options.version)
    if options.precision is not None:
        model = model.at(options.precision)
    TextLimits(prompt_chars=settings.max_prompt_chars, text_chars=settings.max_text_chars).check(
        options
    )
    what = generation(model, options)
    note(request, model=model.name, version=model.version, streamed=options.stream)
    # Told where there is a choice.
    precision = {"precision": model.precision} if model.others else {}
    stream = write(service.decoder, model, what, arrived)

    async def pieces() -> AsyncIterator[TextPiece]:
        async for piece in stream.pieces():
            yield TextPiece(text=piece)
        yield TextPiece(
            text="",
            finish_reason=stream.reason,
            model=model.name,
            version=model.version,
            seed=what.seed,
            **precision,
        )

    try:
        if options.stream:
            # Until there is something to tell, a failure has a status of its own.
            await watched(request, stream, stream.started())
            return Events(request, stream, pieces())
        text = await watched(request, stream, stream.whole())
    except BaseException:
        stream.abandon()  # also where the request's own task was cancelled
        raise
    answer = TextAnswer(
        model=model.name,
        version=model.version,
        text=text,
        finish_reason=stream.reason,
        seed=what.seed,
        **precision,
    )
    return Response(answer.to_json(), media_type="application/json")
