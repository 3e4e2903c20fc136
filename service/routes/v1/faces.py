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

from models_store.tasks import FaceGeneration
from service.codecs.animations import ANIMATION_TYPES, encode_animation, image_grid
from service.codecs.images import encode_png
from service.handlers.faces import generate_faces, interpolate_faces
from service.middleware.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.json_body import read_json_body
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.base import RequestParams
from service.schemas.faces import Face, FacesParams, FacesResponse, MorphParams
from service.schemas.openapi_fragments import MODEL_HEADERS, header_object, problem_responses
from service.state import get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1/faces", tags=["faces"], route_class=DirectRoute)

ParamsT = TypeVar("ParamsT", bound=RequestParams)

_PNG, _JSON = "image/png", "application/json"
_MAX_BODY_BYTES = 4096
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_GET_STATUSES = (404, 406, 422, 500, 503, 504)
_POST_STATUSES = (400, 404, 406, 413, 415, 422, 500, 503, 504)


_FACES_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FacesResponse,
        "description": "The faces side by side as one PNG, or on `Accept: application/json` each "
        "as a PNG of its own. There is nothing between them: they can be cut apart",
        "content": {_PNG: _BINARY},
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-Seed": header_object("Seed of the first face", "integer"),
        },
    }
}
_MORPH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An animation that plays for ever: PNG, WebP or GIF, as `Accept` prefers",
        "content": dict.fromkeys(ANIMATION_TYPES, _BINARY),
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-From": header_object("Seed of the first frame", "integer"),
            "X-DeepShelf-To": header_object("Seed of the last frame", "integer"),
        },
    }
}


def _params_openapi(params_type: type[RequestParams], *, body: bool) -> dict[str, Any]:
    """The `openapi_extra`: the options in the query; where there is a body, as JSON there too."""
    extra: dict[str, Any] = {"parameters": query_parameters(params_type)}
    if body:
        schema = params_type.model_json_schema(ref_template="#/components/schemas/{model}")
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
    responses={**_FACES_RESPONSES, **problem_responses(*_GET_STATUSES)},
    response_class=Response,
    openapi_extra=_params_openapi(FacesParams, body=False),
)
@router.post(
    "",
    operation_id="post_faces",
    summary="Faces that nobody has, asked for in JSON",
    responses={**_FACES_RESPONSES, **problem_responses(*_POST_STATUSES)},
    response_class=Response,
    openapi_extra=_params_openapi(FacesParams, body=True),
)
@queued("images")
async def draw_faces(request: Request) -> Response:
    """Faces drawn by a generator: as a grid, one alone with `count=1`, or each as JSON.

        curl 'http://127.0.0.1:8000/v1/faces?count=12&seed=7&columns=4' -o faces.png
        curl -d '{"count": 2}' -H accept:application/json http://127.0.0.1:8000/v1/faces

    Face i is that of `seed` + i, pixel for pixel the one that is drawn when that seed is asked for
    alone. The latent of a seed is made by Philox 4x64-10 and Box–Muller, as
    `models_store/sampling/latents.py` says.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    media_type = negotiate(request.headers.get("accept"), (_PNG, _JSON))
    params = await _read_params(request, arrival_time_s, FacesParams)
    model = state.registry.catalog.resolve(FaceGeneration, params.model, params.version)
    add_log_fields(request, model=model.name, version=model.version, images=params.count)
    first_seed = _seed_or_random(params.seed)
    seeds = range(first_seed, first_seed + params.count)
    columns = params.columns or math.ceil(math.sqrt(params.count))

    def work(ticket: Ticket) -> Response:
        images = generate_faces(model, seeds, params.truncation, ticket.check)
        if media_type == _JSON:
            return _json_response(model, seeds, images)
        headers = {**_model_headers(model), "X-DeepShelf-Seed": str(first_seed)}
        return Response(encode_png(image_grid(images, columns)), media_type=_PNG, headers=headers)

    return await run_in_pool(request, arrival_time_s, work)


@router.get(
    "/morph",
    operation_id="get_morph",
    summary="One face turning into another",
    responses={**_MORPH_RESPONSES, **problem_responses(*_GET_STATUSES)},
    response_class=Response,
    openapi_extra=_params_openapi(MorphParams, body=False),
)
@router.post(
    "/morph",
    operation_id="post_morph",
    summary="One face turning into another, asked for in JSON",
    responses={**_MORPH_RESPONSES, **problem_responses(*_POST_STATUSES)},
    response_class=Response,
    openapi_extra=_params_openapi(MorphParams, body=True),
)
@queued("images")
async def draw_morph(request: Request) -> Response:
    """An animation from the face of one seed to that of another, by spherical interpolation.

        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -o morph.png
        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -H accept:image/gif -o morph.gif

    An animated PNG unless `Accept` prefers WebP or GIF; GIF has 256 colours, the others all.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    media_type = negotiate(request.headers.get("accept"), ANIMATION_TYPES)
    params = await _read_params(request, arrival_time_s, MorphParams)
    model = state.registry.catalog.resolve(FaceGeneration, params.model, params.version)
    add_log_fields(request, model=model.name, version=model.version, images=params.steps)
    end_seeds = (_seed_or_random(params.from_), _seed_or_random(params.to))
    headers = {
        **_model_headers(model),
        "X-DeepShelf-From": str(end_seeds[0]),
        "X-DeepShelf-To": str(end_seeds[1]),
    }

    def work(ticket: Ticket) -> Response:
        frames = interpolate_faces(model, end_seeds, params.steps, params.truncation, ticket.check)
        body = encode_animation(frames, media_type, params.frame_ms)
        return Response(body, media_type=media_type, headers=headers)

    return await run_in_pool(request, arrival_time_s, work)


async def _read_params(
    request: Request, arrival_time_s: float, params_type: type[ParamsT]
) -> ParamsT:
    """Those of the query, and for what it does not set, those of a body."""
    query = parse_query(request, params_type)
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return query
    body = await read_json_body(request, arrival_time_s, params_type, _MAX_BODY_BYTES)
    sources = (source.model_dump(by_alias=True, exclude_unset=True) for source in (body, query))
    return params_type.model_validate(
        {key: value for source in sources for key, value in source.items()}
    )


def _seed_or_random(seed: int | None) -> int:
    return secrets.randbits(32) if seed is None else seed


def _model_headers(model: LoadedModel[FaceGeneration]) -> dict[str, str]:
    return {"X-DeepShelf-Model": model.name, "X-DeepShelf-Version": str(model.version)}


def _json_response(
    model: LoadedModel[FaceGeneration], seeds: range, images: NDArray[np.uint8]
) -> Response:
    response = FacesResponse(
        model=model.name,
        version=model.version,
        faces=[
            Face(seed=seed, image=b64encode(encode_png(image)).decode("ascii"))
            for seed, image in zip(seeds, images, strict=True)
        ],
    )
    return Response(response.to_json(), media_type=_JSON)
