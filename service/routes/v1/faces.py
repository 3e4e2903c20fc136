"""`/v1/faces` and `/v1/faces/morph`."""

import math
import secrets
from base64 import b64encode
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Faces
from service.codecs.animations import ANIMATIONS, encode_animation, grid
from service.codecs.images import encode_png
from service.handlers.faces import faces, morph
from service.middleware.request_log import note
from service.routes.http.content_negotiation import preferred
from service.routes.http.execution import compute
from service.routes.http.json_body import read_json
from service.routes.http.parameters import from_query, query_parameters
from service.runtime.loaded_model import Published
from service.scheduling.admission import Ticket
from service.schemas.base import Options
from service.schemas.faces import Face, FacesAnswer, FacesOptions, MorphOptions
from service.schemas.openapi_fragments import MODEL_HEADERS, header, problems
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v1/faces", tags=["faces"])

OptionsT = TypeVar("OptionsT", bound=Options)

_PNG, _JSON = "image/png", "application/json"
_BODY_BYTES = 4096
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_GET_STATUSES = (404, 406, 422, 500, 503, 504)
_POST_STATUSES = (400, 404, 406, 413, 415, 422, 500, 503, 504)


_FACES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FacesAnswer,
        "description": "The faces side by side as one PNG, or on `Accept: application/json` each "
        "as a PNG of its own. There is nothing between them: they can be cut apart",
        "content": {_PNG: _BINARY},
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-Seed": header("Seed of the first face", "integer"),
        },
    }
}
_MORPH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An animation that plays for ever: PNG, WebP or GIF, as `Accept` prefers",
        "content": dict.fromkeys(ANIMATIONS, _BINARY),
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-From": header("Seed of the first frame", "integer"),
            "X-DeepShelf-To": header("Seed of the last frame", "integer"),
        },
    }
}


def _asked_by(options: type[Options], *, body: bool) -> dict[str, Any]:
    """The `openapi_extra`: the options in the query; where there is a body, as JSON there too."""
    extra: dict[str, Any] = {"parameters": query_parameters(options)}
    if body:
        schema = options.model_json_schema(ref_template="#/components/schemas/{model}")
        extra["requestBody"] = {
            "required": False,
            "description": "The same as JSON. Where both name one, the query wins.",
            "content": {_JSON: {"schema": schema}},
        }
    return extra


@router.get(
    "",
    operation_id="get_faces",
    summary="Faces that nobody has",
    responses={**_FACES, **problems(*_GET_STATUSES)},
    response_class=Response,
    openapi_extra=_asked_by(FacesOptions, body=False),
)
@router.post(
    "",
    operation_id="post_faces",
    summary="Faces that nobody has, asked for in JSON",
    responses={**_FACES, **problems(*_POST_STATUSES)},
    response_class=Response,
    openapi_extra=_asked_by(FacesOptions, body=True),
)
async def draw_faces(request: Request) -> Response:
    """Faces drawn by a generator: as a grid, one alone with `count=1`, or each as JSON.

        curl 'http://127.0.0.1:8000/v1/faces?count=12&seed=7&columns=4' -o faces.png
        curl -d '{"count": 2}' -H accept:application/json http://127.0.0.1:8000/v1/faces

    Face i is that of `seed` + i, pixel for pixel the one that is drawn when that seed is asked for
    alone. The latent of a seed is made by Philox 4x64-10 and Box–Muller, as
    `models_store/sampling/latents.py` says.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    media_type = preferred(request.headers.get("accept"), (_PNG, _JSON))
    options = await _options(request, arrived, FacesOptions)
    model = service.registry.shelf.resolve(Faces, options.model, options.version)
    note(request, model=model.name, version=model.version, images=options.count)
    first = _seed(options.seed)
    seeds = range(first, first + options.count)
    columns = options.columns or math.ceil(math.sqrt(options.count))

    def work(ticket: Ticket) -> Response:
        drawn = faces(model, seeds, options.truncation, ticket.check)
        if media_type == _JSON:
            return _as_json(model, seeds, drawn)
        headers = {**_told(model), "X-DeepShelf-Seed": str(first)}
        return Response(encode_png(grid(drawn, columns)), media_type=_PNG, headers=headers)

    return await compute(request, arrived, work)


@router.get(
    "/morph",
    operation_id="get_morph",
    summary="One face turning into another",
    responses={**_MORPH, **problems(*_GET_STATUSES)},
    response_class=Response,
    openapi_extra=_asked_by(MorphOptions, body=False),
)
@router.post(
    "/morph",
    operation_id="post_morph",
    summary="One face turning into another, asked for in JSON",
    responses={**_MORPH, **problems(*_POST_STATUSES)},
    response_class=Response,
    openapi_extra=_asked_by(MorphOptions, body=True),
)
async def draw_morph(request: Request) -> Response:
    """An animation from the face of one seed to that of another, by spherical interpolation.

        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -o morph.png
        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -H accept:image/gif -o morph.gif

    An animated PNG unless `Accept` prefers WebP or GIF; GIF has 256 colours, the others all.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    media_type = preferred(request.headers.get("accept"), ANIMATIONS)
    options = await _options(request, arrived, MorphOptions)
    model = service.registry.shelf.resolve(Faces, options.model, options.version)
    note(request, model=model.name, version=model.version, images=options.steps)
    ends = (_seed(options.from_), _seed(options.to))
    headers = {
        **_told(model),
        "X-DeepShelf-From": str(ends[0]),
        "X-DeepShelf-To": str(ends[1]),
    }

    def work(ticket: Ticket) -> Response:
        frames = morph(model, ends, options.steps, options.truncation, ticket.check)
        body = encode_animation(frames, media_type, options.frame_ms)
        return Response(body, media_type=media_type, headers=headers)

    return await compute(request, arrived, work)


async def _options(request: Request, arrived: float, kind: type[OptionsT]) -> OptionsT:
    """Those of the query, and for what it does not set, those of a body."""
    query = from_query(request, kind)
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return query
    body = await read_json(request, arrived, kind, _BODY_BYTES)
    both = (one.model_dump(by_alias=True, exclude_unset=True) for one in (body, query))
    return kind.model_validate({key: value for one in both for key, value in one.items()})


def _seed(wanted: int | None) -> int:
    return secrets.randbits(32) if wanted is None else wanted


def _told(model: Published[Faces]) -> dict[str, str]:
    return {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}


def _as_json(model: Published[Faces], seeds: range, drawn: NDArray[np.uint8]) -> Response:
    answer = FacesAnswer(
        model=model.name,
        version=model.version,
        faces=[
            Face(seed=seed, image=b64encode(encode_png(image)).decode("ascii"))
            for seed, image in zip(seeds, drawn, strict=True)
        ],
    )
    return Response(answer.to_json(), media_type=_JSON)
