"""`GET /v1/handwriting`."""

import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import HandwritingGeneration
from service.codecs.handwriting_render import Page, render_png, render_svg
from service.handlers.handwriting import generate_handwriting, validate_text
from service.middleware.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.handwriting import HandwritingParams, HandwritingResponse, HandwrittenSymbol
from service.schemas.openapi_fragments import MODEL_HEADERS, header_object, problem_responses
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["text"], route_class=DirectRoute)

_SVG, _PNG, _JSON = "image/svg+xml", "image/png", "application/json"


@router.get(
    "/handwriting",
    operation_id="handwriting",
    summary="A text, written by hand",
    responses={
        200: {
            "model": HandwritingResponse,
            "description": "The drawing as SVG; on `Accept: image/png` as PNG, on `Accept: "
            "application/json` its strokes",
            "content": {
                _SVG: {"schema": {"type": "string"}},
                _PNG: {"schema": {"type": "string", "format": "binary"}},
            },
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-Seed": header_object("With which it was drawn", "integer"),
            },
        },
        **problem_responses(404, 406, 422, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra={"parameters": query_parameters(HandwritingParams)},
)
@queued("images")
async def draw_handwriting(request: Request) -> Response:
    """Digits, drawn stroke by stroke by a network that learnt how people move the pen.

        curl 'http://127.0.0.1:8000/v1/handwriting?text=2026&seed=7' -o year.svg
        curl -H accept:image/png 'http://127.0.0.1:8000/v1/handwriting?text=2026' -o year.png

    Every drawing is new; with a `seed`, it is the same every time. A text with symbols that the
    model cannot draw is refused, and they are named.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    params = parse_query(request, HandwritingParams)
    media_type = negotiate(request.headers.get("accept"), (_SVG, _PNG, _JSON))
    model = state.registry.catalog.resolve(HandwritingGeneration, params.model, params.version)
    validate_text(model, params.text)
    seed = secrets.randbits(32) if params.seed is None else params.seed
    add_log_fields(request, model=model.name, version=model.version)

    def work(ticket: Ticket) -> bytes:
        page = generate_handwriting(model, params, seed, ticket.check)
        if media_type == _SVG:
            return render_svg(page, animated=params.animate).encode()
        return (
            render_png(page) if media_type == _PNG else _build_response(model, seed, page).to_json()
        )

    headers = {
        "X-DeepShelf-Model": model.name,
        "X-DeepShelf-Version": str(model.version),
        "X-DeepShelf-Seed": str(seed),
        "Vary": "Accept",
    }
    return Response(
        await run_in_pool(request, arrival_time_s, work), media_type=media_type, headers=headers
    )


def _build_response(
    model: LoadedModel[HandwritingGeneration], seed: int, page: Page
) -> HandwritingResponse:
    return HandwritingResponse(
        model=model.name,
        version=model.version,
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
    )
