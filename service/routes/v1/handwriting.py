"""`GET /v1/handwriting`."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import HandwritingGeneration
from service.codecs.handwriting_render import Page, render_png, render_svg
from service.handlers.handwriting import generate_handwriting, validate_text
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.openapi_fragments import MODEL_HEADERS, header_object, problem_responses
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.routes.http.responses import BINARY, JSON, PNG, model_fields, model_headers
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.handwriting import HandwritingParams, HandwritingResponse, HandwrittenSymbol
from service.state import get_state

router = create_router(prefix="/v1", tags=["text"])

_SVG = "image/svg+xml"


@router.get(
    "/handwriting",
    operation_id="handwriting",
    summary="Write text by hand",
    responses={
        200: {
            "model": HandwritingResponse,
            "description": "The drawing as SVG; on `Accept: image/png` as PNG, on `Accept: "
            "application/json` as strokes",
            "content": {_SVG: {"schema": {"type": "string"}}, PNG: BINARY},
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-Seed": header_object("Seed of the drawing", "integer"),
            },
        },
        **problem_responses(404, 406, 422, 500, 503, 504),
    },
    openapi_extra={"parameters": query_parameters(HandwritingParams)},
)
@queued("images")
async def draw_handwriting(request: Request) -> Response:
    """Draw digits stroke by stroke, by a network trained on recorded pen movements.

        curl 'http://127.0.0.1:8000/v1/handwriting?text=2026&seed=7' -o year.svg
        curl -H accept:image/png 'http://127.0.0.1:8000/v1/handwriting?text=2026' -o year.png

    Every drawing is new, unless a `seed` is given. Symbols that the model cannot draw are an error,
    which names them.
    """
    arrival_time_s = start_request(get_state(request).pool.admission)
    params = parse_query(request, HandwritingParams)
    media_type = negotiate(request.headers.get("accept"), (_SVG, PNG, JSON))
    model = resolve_model(request, HandwritingGeneration, params.model, params.version)
    validate_text(model, params.text)
    seed = secrets.randbits(32) if params.seed is None else params.seed

    def work(ticket: Ticket) -> bytes:
        page = generate_handwriting(
            model,
            params.text,
            seed=seed,
            bias=params.bias,
            height=params.height,
            check=ticket.check,
        )
        if media_type == _SVG:
            return render_svg(page, animated=params.animate).encode()
        if media_type == PNG:
            return render_png(page)
        return _build_response(model, seed, page).to_json()

    body = await run_in_pool(request, arrival_time_s, work)
    headers = {**model_headers(model, Seed=seed), "Vary": "Accept"}
    return Response(body, media_type=media_type, headers=headers)


def _build_response(
    model: LoadedModel[HandwritingGeneration], seed: int, page: Page
) -> HandwritingResponse:
    return HandwritingResponse(
        seed=seed,
        text=page.text,
        width=page.width,
        height=page.height,
        symbols=[
            HandwrittenSymbol(
                symbol=symbol.symbol,
                strokes=[[(x, y) for x, y in stroke.tolist()] for stroke in symbol.strokes],
            )
            for symbol in page.symbols
        ],
        **model_fields(model),
    )
