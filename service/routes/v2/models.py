"""Metadata, configuration, readiness and statistics of models."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.errors import NotFound
from service.observability.worker_metrics import has_several_workers
from service.routes.http.direct_route import create_router
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.responses import JSON, json_response
from service.routes.v2.metadata import build_config, build_metadata
from service.routes.v2.openapi_fragments import MODEL, TAG, VERSION
from service.routes.v2.target import protocol_names, resolve_requested
from service.schemas.v2 import ModelMetadata, ModelReady, StatisticsResponse
from service.state import AppState, get_state

router = create_router(prefix="/v2/models", tags=[TAG])

_Endpoint = Callable[[Request], Awaitable[Response]]
_STATISTICS = {"model": StatisticsResponse, "description": "Counts since the service started"}
_CONFIG = {
    "description": "Triton's model configuration, as far as it applies",
    "content": {
        JSON: {
            "schema": {"type": "object"},
            "example": {"name": "resnet-cifar10", "max_batch_size": 16},
        }
    },
}


def _model_route(
    path: str, operation: str, summary: str, success: dict[str, Any]
) -> Callable[[_Endpoint], _Endpoint]:
    """Decorate an endpoint of `path` below a model, and below one version of a model."""

    def register(endpoint: _Endpoint) -> _Endpoint:
        for prefix, kind, parameters in (
            ("/{model}", "model", [MODEL]),
            ("/{model}/versions/{version}", "version", [MODEL, VERSION]),
        ):
            router.add_api_route(
                prefix + path,
                endpoint,
                methods=["GET"],
                operation_id=f"v2_{kind}{operation}",
                summary=summary.format(kind),
                responses={200: success, **problem_responses(404, 503)},
                openapi_extra={"parameters": parameters},
            )
        return endpoint

    return register


@router.get(
    "/stats",
    operation_id="v2_all_statistics",
    summary="Get the statistics of all models",
    responses={200: _STATISTICS, **problem_responses(404)},
)
async def all_statistics(request: Request) -> Response:
    """Return counts of `/v2` requests since the start, for every version that is ready or was used.

    With several workers, this extension is missing (404): `/metrics` counts all workers.
    """
    state = get_state(request)
    ready = (
        (name, entry.version)
        for entry in state.registry.catalog.versions.values()
        if entry.model
        for name in protocol_names(entry.model.manifest)
    )
    return _statistics_response(state, sorted({*ready, *state.statistics.by_version}))


@_model_route("/stats", "_statistics", "Get a {}'s statistics", _STATISTICS)
async def model_statistics(request: Request) -> Response:
    """Return counts of requests over `/v2` since the start, for every ready version or for one."""
    target = resolve_requested(request)
    is_one = "version" in request.path_params
    keys = [target.key] if is_one else [(target.name, number) for number in target.versions]
    return _statistics_response(get_state(request), keys)


@_model_route(
    "/ready",
    "_ready",
    "Check a {}'s readiness",
    {"model": ModelReady, "description": "The model is ready"},
)
async def model_ready(request: Request) -> Response:
    """Return 200 if the version, or any version of the model, is ready."""
    return json_response(ModelReady(name=resolve_requested(request).name, ready=True))


@_model_route("/config", "_config", "Get a {}'s configuration", _CONFIG)
async def model_config(request: Request) -> Response:
    """Return Triton's model configuration: data types, dimensions and maximum batch size."""
    state, target = get_state(request), resolve_requested(request)
    document = build_config(target, max_batch_size=state.settings.max_images, threads=state.threads)
    return Response(json.dumps(document), media_type=JSON)


@_model_route(
    "", "", "Get a {}'s metadata", {"model": ModelMetadata, "description": "Inputs and outputs"}
)
async def model_metadata(request: Request) -> Response:
    """Return inputs and outputs with data types and shapes; -1 is a free dimension.

    Without a version, they are those of the highest version that is ready.
    """
    return json_response(build_metadata(resolve_requested(request)))


def _statistics_response(state: AppState, keys: list[tuple[str, int]]) -> Response:
    if has_several_workers():
        raise NotFound(
            "this server has no statistics extension, because it runs several workers; /metrics "
            "counts the requests of all workers"
        )
    return json_response(StatisticsResponse(model_stats=list(map(state.statistics.get, keys))))
