"""Metadata, configuration, readiness and statistics of models."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.errors import NotFound
from service.observability.worker_metrics import has_several_workers
from service.routes.http.direct_route import create_router
from service.routes.v2.metadata import build_config, build_metadata
from service.routes.v2.openapi_fragments import TAG, ModelName, ModelVersion, error_responses
from service.routes.v2.statistics import StatisticsResponse, build_model_statistics
from service.routes.v2.target import InferTarget, protocol_names, resolve_target
from service.schemas.v2 import ModelMetadata, ModelReady
from service.state import AppState, get_state

router = create_router(prefix="/v2/models", tags=[TAG])

_JSON = "application/json"
_VERSION_PATH = "/{model}/versions/{version}"
_Responses = dict[int | str, dict[str, Any]]
_STATISTICS_RESPONSES: _Responses = {
    200: {"model": StatisticsResponse, "description": "Counts since the service started"},
    **error_responses(404),
}
_READY_RESPONSES: _Responses = {200: {"model": ModelReady, "description": "The model is ready"}}
_METADATA_RESPONSES: _Responses = {
    200: {"model": ModelMetadata, "description": "Inputs and outputs"}
}
_CONFIG_RESPONSES: _Responses = {
    200: {
        "description": "Triton's model configuration, as far as it applies",
        "content": {
            _JSON: {
                "schema": {"type": "object"},
                "example": {"name": "resnet-cifar10", "max_batch_size": 16},
            }
        },
    }
}


@router.get(
    "/stats",
    operation_id="v2_all_statistics",
    summary="Get the statistics of all models",
    responses=_STATISTICS_RESPONSES,
)
async def all_statistics(request: Request) -> Response:
    """Return counts of `/v2` requests since the start, for every version that is ready or was used.

    With several workers, this extension is missing (404): `/metrics` counts all workers.
    """
    state = get_state(request)
    ready = (
        (name, entry.version)
        for entry in state.registry.catalog.versions.values()
        if entry.model and entry.manifest
        for name in protocol_names(entry.manifest)
    )
    return _statistics_response(state, sorted({*ready, *state.statistics.by_version}))


@router.get(
    "/{model}/stats",
    operation_id="v2_model_statistics",
    summary="Get a model's statistics",
    responses={**_STATISTICS_RESPONSES, **error_responses(400, 404, 503)},
)
async def model_statistics(request: Request, model: ModelName) -> Response:
    """Return counts of requests over `/v2` since the start, for every ready version."""
    target = _resolve(request, model)
    return _statistics_response(
        get_state(request), [(target.name, number) for number in target.versions]
    )


@router.get(
    _VERSION_PATH + "/stats",
    operation_id="v2_version_statistics",
    summary="Get a version's statistics",
    responses={**_STATISTICS_RESPONSES, **error_responses(400, 404, 503)},
)
async def version_statistics(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Return counts of requests over `/v2` since the service started."""
    return _statistics_response(get_state(request), [_resolve(request, model, version).key])


@router.get(
    "/{model}/ready",
    operation_id="v2_model_ready",
    summary="Check a model's readiness",
    responses={**_READY_RESPONSES, **error_responses(400, 404, 503)},
)
async def model_ready(request: Request, model: ModelName) -> Response:
    """Return 200 if a version of the model is ready."""
    return _ready_response(_resolve(request, model))


@router.get(
    _VERSION_PATH + "/ready",
    operation_id="v2_version_ready",
    summary="Check a version's readiness",
    responses={**_READY_RESPONSES, **error_responses(400, 404, 503)},
)
async def version_ready(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Return 200 if the version is ready."""
    return _ready_response(_resolve(request, model, version))


@router.get(
    "/{model}/config",
    operation_id="v2_model_config",
    summary="Get a model's configuration",
    responses={**_CONFIG_RESPONSES, **error_responses(400, 404, 503)},
)
async def model_config(request: Request, model: ModelName) -> Response:
    """Return Triton's model configuration: data types, dimensions and maximum batch size."""
    return _config_response(get_state(request), _resolve(request, model))


@router.get(
    _VERSION_PATH + "/config",
    operation_id="v2_version_config",
    summary="Get a version's configuration",
    responses={**_CONFIG_RESPONSES, **error_responses(400, 404, 503)},
)
async def version_config(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Return Triton's model configuration: data types, dimensions and maximum batch size."""
    return _config_response(get_state(request), _resolve(request, model, version))


@router.get(
    "/{model}",
    operation_id="v2_model",
    summary="Get a model's metadata",
    responses={**_METADATA_RESPONSES, **error_responses(400, 404, 503)},
)
async def model_metadata(request: Request, model: ModelName) -> Response:
    """Return the metadata of the highest version that is ready."""
    return Response(build_metadata(_resolve(request, model)).to_json(), media_type=_JSON)


@router.get(
    _VERSION_PATH,
    operation_id="v2_version",
    summary="Get a version's metadata",
    responses={**_METADATA_RESPONSES, **error_responses(400, 404, 503)},
)
async def version_metadata(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Return inputs and outputs with data types and shapes; -1 is a free dimension."""
    return Response(build_metadata(_resolve(request, model, version)).to_json(), media_type=_JSON)


def _resolve(request: Request, model: str, version: str | None = None) -> InferTarget:
    return resolve_target(get_state(request).registry.catalog, model, version)


def _ready_response(target: InferTarget) -> Response:
    return Response(ModelReady(name=target.name, ready=True).to_json(), media_type=_JSON)


def _config_response(state: AppState, target: InferTarget) -> Response:
    document = build_config(target, max_batch_size=state.settings.max_images, threads=state.threads)
    return Response(json.dumps(document), media_type=_JSON)


def _statistics_response(state: AppState, keys: list[tuple[str, int]]) -> Response:
    if has_several_workers():
        raise NotFound(
            "this server has no statistics extension, because it runs several workers; /metrics "
            "counts the requests of all workers"
        )
    statistics = [build_model_statistics(key, state.statistics.get(key)) for key in keys]
    return Response(StatisticsResponse(model_stats=statistics).to_json(), media_type=_JSON)
