"""`GET /v1/handwriting`."""

import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Handwriting
from service.codecs.handwriting_render import Page, as_png, as_svg
from service.handlers.handwriting import check_text, write_by_hand
from service.middleware.request_log import note
from service.routes.http.content_negotiation import preferred
from service.routes.http.execution import compute
from service.routes.http.parameters import from_query, query_parameters
from service.runtime.loaded_model import Published
from service.scheduling.admission import Ticket
from service.schemas.handwriting import HandwritingAnswer, HandwritingOptions, WrittenSymbol
from service.schemas.openapi_fragments import MODEL_HEADERS, header, problems
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["text"])

_SVG, _PNG, _JSON = "image/svg+xml", "image/png", "application/json"


@router.get(
    "/handwriting",
    operation_id="handwriting",
    summary="A text, written by hand",
    responses={
        200: {
            "model": HandwritingAnswer,
            "description": "The drawing as SVG; on `Accept: image/png` as PNG, on `Accept: "
            "application/json` its strokes",
            "content": {
                _SVG: {"schema": {"type": "string"}},
                _PNG: {"schema": {"type": "string", "format": "binary"}},
            },
            "headers": {
                **MODEL_HEADERS,
                "X-DeepShelf-Seed": header("With which it was drawn", "integer"),
            },
        },
        **problems(404, 406, 422, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra={"parameters": query_parameters(HandwritingOptions)},
)
async def write_by_pen(request: Request) -> Response:
    """Digits, drawn stroke by stroke by a network that learnt how people move the pen.

        curl 'http://127.0.0.1:8000/v1/handwriting?text=2026&seed=7' -o year.svg
        curl -H accept:image/png 'http://127.0.0.1:8000/v1/handwriting?text=2026' -o year.png

    Every drawing is new; with a `seed`, it is the same every time. A text with symbols that the
    model cannot draw is refused, and they are named.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    options = from_query(request, HandwritingOptions)
    media_type = preferred(request.headers.get("accept"), (_SVG, _PNG, _JSON))
    model = service.registry.shelf.resolve(Handwriting, options.model, options.version)
    check_text(model, options.text)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    note(request, model=model.name, version=model.version)

    def work(ticket: Ticket) -> bytes:
        page = write_by_hand(model, options, seed, ticket.check)
        if media_type == _SVG:
            return as_svg(page, animated=options.animate).encode()
        return as_png(page) if media_type == _PNG else _answer(model, seed, page).to_json()

    headers = {
        "X-DeepShelf-Model": model.name,
        "X-DeepShelf-Version": str(model.version),
        "X-DeepShelf-Seed": str(seed),
        "Vary": "Accept",
    }
    return Response(await compute(request, arrived, work), media_type=media_type, headers=headers)


def _answer(model: Published[Handwriting], seed: int, page: Page) -> HandwritingAnswer:
    return HandwritingAnswer(
        model=model.name,
        version=model.version,
        seed=seed,
        text=page.text,
        width=page.width,
        height=page.height,
        symbols=[
            WrittenSymbol(
                symbol=written.symbol,
                strokes=[[(x, y) for x, y in stroke.tolist()] for stroke in written.strokes],
            )
            for written in page.written
        ],
    )
