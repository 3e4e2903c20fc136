"""`/v1/faces` and `/v1/faces/morph`."""

import math
import secrets
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import FaceGeneration
from service.codecs.animations import ANIMATION_TYPES, encode_animation, image_grid
from service.codecs.images import encode_png
from service.handlers.faces import generate_faces, interpolate_faces
from service.observability.request_log import add_log_fields
from service.routes.http.content_negotiation import negotiate
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.json_body import json_request_body, read_json_body
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.openapi_fragments import MODEL_HEADERS, header_object, problem_responses
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.routes.http.responses import (
    BINARY,
    JSON,
    PNG,
    json_response,
    model_fields,
    model_headers,
)
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.base import RequestParams
from service.schemas.faces import Face, FacesParams, FacesResponse, MorphParams
from service.state import get_state

router = create_router(prefix="/v1/faces", tags=["faces"])

ParamsT = TypeVar("ParamsT", bound=RequestParams)

_MAX_BODY_BYTES = 4096
_VARY = {"Vary": "Accept"}
_GET_STATUSES = (404, 406, 422, 500, 503, 504)
_POST_STATUSES = (400, 404, 406, 413, 415, 422, 500, 503, 504)


_FACES_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FacesResponse,
        "description": "The faces side by side as one PNG, without space between them; on "
        "`Accept: application/json`, each as a PNG of its own",
        "content": {PNG: BINARY},
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-Seed": header_object("Seed of the first face", "integer"),
        },
    }
}
_MORPH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An endless animation: PNG, WebP or GIF, as `Accept` prefers",
        "content": dict.fromkeys(ANIMATION_TYPES, BINARY),
        "headers": {
            **MODEL_HEADERS,
            "X-DeepShelf-From": header_object("Seed of the first frame", "integer"),
            "X-DeepShelf-To": header_object("Seed of the last frame", "integer"),
        },
    }
}


def _params_openapi(params_type: type[RequestParams], *, body: bool) -> dict[str, Any]:
    """Return the `openapi_extra`: parameters in the query and, with `body`, as JSON too."""
    extra: dict[str, Any] = {"parameters": query_parameters(params_type)}
    if body:
        description = "The same as JSON. If both name one, the query wins."
        (request_body,) = json_request_body(params_type).values()
        extra["requestBody"] = {**request_body, "required": False, "description": description}
    return extra


@router.get(
    "",
    operation_id="get_faces",
    summary="Generate faces",
    responses={**_FACES_RESPONSES, **problem_responses(*_GET_STATUSES)},
    openapi_extra=_params_openapi(FacesParams, body=False),
)
@router.post(
    "",
    operation_id="post_faces",
    summary="Generate faces, with parameters as JSON",
    responses={**_FACES_RESPONSES, **problem_responses(*_POST_STATUSES)},
    openapi_extra=_params_openapi(FacesParams, body=True),
)
@queued("images")
async def draw_faces(request: Request) -> Response:
    """Generate faces: a grid, a single face with `count=1`, or a list as JSON.

        curl 'http://127.0.0.1:8000/v1/faces?count=12&seed=7&columns=4' -o faces.png
        curl -d '{"count": 2}' -H accept:application/json http://127.0.0.1:8000/v1/faces

    Face i has the seed `seed` + i, and is pixel for pixel the face of a request for that seed
    alone. The latent of a seed is drawn by Philox 4x64-10 and Box-Muller, see
    `models_store/sampling/latents.py`.
    """
    arrival_time_s = start_request(get_state(request).pool.admission)
    media_type = negotiate(request.headers.get("accept"), (PNG, JSON))
    params = await _read_params(request, FacesParams)
    model = resolve_model(request, FaceGeneration, params.model, params.version)
    add_log_fields(request, images=params.count)
    first_seed = _seed_or_random(params.seed)
    seeds = range(first_seed, first_seed + params.count)
    columns = params.columns or math.ceil(math.sqrt(params.count))

    def work(ticket: Ticket) -> Response:
        images = generate_faces(model, seeds, params.truncation, ticket.check)
        if media_type == JSON:
            return _json_response(model, seeds, images)
        headers = {**model_headers(model, Seed=first_seed), **_VARY}
        return Response(encode_png(image_grid(images, columns)), media_type=PNG, headers=headers)

    return await run_in_pool(request, arrival_time_s, work, model=model)


@router.get(
    "/morph",
    operation_id="get_morph",
    summary="Animate a morph between two faces",
    responses={**_MORPH_RESPONSES, **problem_responses(*_GET_STATUSES)},
    openapi_extra=_params_openapi(MorphParams, body=False),
)
@router.post(
    "/morph",
    operation_id="post_morph",
    summary="Animate a morph between two faces, with parameters as JSON",
    responses={**_MORPH_RESPONSES, **problem_responses(*_POST_STATUSES)},
    openapi_extra=_params_openapi(MorphParams, body=True),
)
@queued("images")
async def draw_morph(request: Request) -> Response:
    """Animate the way from one seed's face to another's, by spherical interpolation.

        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -o morph.png
        curl 'http://127.0.0.1:8000/v1/faces/morph?from=7&to=8' -H accept:image/gif -o morph.gif

    The response is an animated PNG unless `Accept` prefers WebP or GIF. GIF has 256 colours.
    """
    arrival_time_s = start_request(get_state(request).pool.admission)
    media_type = negotiate(request.headers.get("accept"), ANIMATION_TYPES)
    params = await _read_params(request, MorphParams)
    model = resolve_model(request, FaceGeneration, params.model, params.version)
    add_log_fields(request, images=params.steps)
    end_seeds = (_seed_or_random(params.from_), _seed_or_random(params.to))
    headers = {**model_headers(model, From=end_seeds[0], To=end_seeds[1]), **_VARY}

    def work(ticket: Ticket) -> Response:
        frames = interpolate_faces(model, end_seeds, params.steps, params.truncation, ticket.check)
        body = encode_animation(frames, media_type, params.frame_ms)
        return Response(body, media_type=media_type, headers=headers)

    return await run_in_pool(request, arrival_time_s, work, model=model)


async def _read_params(request: Request, params_type: type[ParamsT]) -> ParamsT:
    """Return the query's parameters and, for those it does not set, the body's."""
    query = parse_query(request, params_type)
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return query
    body = await read_json_body(request, params_type, _MAX_BODY_BYTES)
    return params_type.model_validate(
        body.model_dump(by_alias=True, exclude_unset=True)
        | query.model_dump(by_alias=True, exclude_unset=True)
    )


def _seed_or_random(seed: int | None) -> int:
    return secrets.randbits(32) if seed is None else seed


def _json_response(
    model: LoadedModel[FaceGeneration], seeds: range, images: NDArray[np.uint8]
) -> Response:
    faces = [
        Face(seed=seed, image=encode_png(image)) for seed, image in zip(seeds, images, strict=True)
    ]
    return json_response(FacesResponse(faces=faces, **model_fields(model)), _VARY)
