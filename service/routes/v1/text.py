"""`POST /v1/text`."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import TextGeneration
from service.observability.request_log import add_log_fields
from service.routes.http.direct_route import create_router
from service.routes.http.execution import cancel_on_disconnect
from service.routes.http.json_body import json_request_body, max_json_bytes, read_json_body
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.queued import queued
from service.routes.http.responses import json_response, model_fields
from service.routes.http.sse import EventStreamResponse, event_stream_content
from service.schemas.text import TextChunk, TextParams, TextResponse
from service.state import get_state

router = create_router(prefix="/v1", tags=["text"])


@router.post(
    "/text",
    operation_id="text",
    summary="Continue a text",
    responses={
        200: {
            "model": TextResponse,
            "description": 'The text as JSON; with `stream`, as events `data: {"text": …}`, of '
            "which the last has `finish_reason`, and then `data: [DONE]`. A failure after the "
            "first event is an event `error` with a problem document, which ends the stream.",
            "content": event_stream_content(
                TextChunk.model_json_schema(),
                '{"text":" you?","finish_reason":"stop","model":"charnn-shakespeare","version":2,'
                '"seed":7}',
            ),
        },
        **problem_responses(400, 404, 413, 415, 422, 500, 503, 504),
    },
    openapi_extra=json_request_body(TextParams),
)
@queued("texts")
async def generate_text(request: Request) -> Response:
    """Continue a prompt character by character.

        curl -d '{"prompt": "ROMEO:", "max_chars": 300}' http://127.0.0.1:8000/v1/text
        curl -N -d '{"prompt": "ROMEO:", "stream": true}' http://127.0.0.1:8000/v1/text

    The same `seed` gives the same text. A model knows the characters it was trained on: others in
    a prompt are an error, which names them. Generation stops when the client disconnects.
    """
    state = get_state(request)
    arrival_time_s = start_request(state.scheduler.admission)
    limit = max_json_bytes(state.settings.max_prompt_chars)
    params = await read_json_body(request, TextParams, limit)
    model = resolve_model(request, TextGeneration, params.model, params.version, params.precision)
    generation_request = params.build_request(model, state.text_limits)
    add_log_fields(request, streamed=params.stream)
    stream = state.scheduler.submit(model.require_recurrent(), generation_request, arrival_time_s)

    def end(text: str) -> dict[str, Any]:
        fields = {"text": text, "finish_reason": stream.final_reason, "seed": stream.request.seed}
        return {**model_fields(model), **fields}

    async def chunks() -> AsyncIterator[TextChunk]:
        async for chunk in stream.chunks():
            yield TextChunk(text=chunk)
        yield TextChunk(**end(""))

    try:
        if params.stream:
            # A failure before the first token still gets an error status.
            await cancel_on_disconnect(request, stream, stream.wait_first_token())
            return EventStreamResponse(request, stream, chunks())
        text = await cancel_on_disconnect(request, stream, stream.result())
    except BaseException:
        stream.cancel()  # also if the request's own task was cancelled
        raise
    return json_response(TextResponse(**end(text)))
