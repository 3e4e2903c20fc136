"""What each model takes and gives, whether it is ready, and what became of its inferences."""

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.handlers.v2_models import Found, config, find, metadata, names
from service.handlers.v2_statistics import StatisticsAnswer, statistic
from service.routes.v2.openapi_fragments import TAG, ModelName, ModelVersion, errors
from service.schemas.v2 import ModelMetadata, ModelReady
from service.state import Running, running

__all__ = ["router"]

router = APIRouter(prefix="/v2/models", tags=[TAG])

_JSON = "application/json"
_VERSION = "/{model}/versions/{version}"
_Documented = dict[int | str, dict[str, Any]]
_STATISTICS: _Documented = {
    200: {"model": StatisticsAnswer, "description": "Counted in this worker"}
}
_READY: _Documented = {200: {"model": ModelReady, "description": "It is"}}
_METADATA: _Documented = {200: {"model": ModelMetadata, "description": "Its inputs and outputs"}}
_CONFIG: _Documented = {
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
    summary="What became of all inferences?",
    responses=_STATISTICS,
    response_class=Response,
)
async def all_statistics(request: Request) -> Response:
    """Every version that is ready or was asked; over `/v2` in this worker, since it started.

    With several workers, each counts its own: `/metrics` adds them up.
    """
    service = running(request)
    ready = (
        (name, entry.version)
        for entry in service.registry.shelf.entries.values()
        if entry.model and entry.manifest
        for name in names(entry.manifest)
    )
    return _statistics(service, sorted({*ready, *service.statistics.tallies}))


@router.get(
    "/{model}/stats",
    operation_id="v2_model_statistics",
    summary="What became of one model's inferences?",
    responses={**_STATISTICS, **errors(400, 404, 503)},
    response_class=Response,
)
async def model_statistics(request: Request, model: ModelName) -> Response:
    """Every version that is ready; in this worker, over `/v2`, since it started."""
    found = _find(request, model)
    return _statistics(running(request), [(found.name, number) for number in found.versions])


@router.get(
    _VERSION + "/stats",
    operation_id="v2_version_statistics",
    summary="What became of one version's inferences?",
    responses={**_STATISTICS, **errors(400, 404, 503)},
    response_class=Response,
)
async def version_statistics(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """In this worker, over `/v2`, since it started."""
    return _statistics(running(request), [_find(request, model, version).key])


@router.get(
    "/{model}/ready",
    operation_id="v2_model_ready",
    summary="Is this model ready?",
    responses={**_READY, **errors(400, 404, 503)},
    response_class=Response,
)
async def model_ready(request: Request, model: ModelName) -> Response:
    """200 when a version of it serves."""
    return _ready(_find(request, model))


@router.get(
    _VERSION + "/ready",
    operation_id="v2_version_ready",
    summary="Is this version ready?",
    responses={**_READY, **errors(400, 404, 503)},
    response_class=Response,
)
async def version_ready(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """200 when that version serves."""
    return _ready(_find(request, model, version))


@router.get(
    "/{model}/config",
    operation_id="v2_model_config",
    summary="How is this model served?",
    responses={**_CONFIG, **errors(400, 404, 503)},
    response_class=Response,
)
async def model_config(request: Request, model: ModelName) -> Response:
    """Triton's model configuration: data types, dimensions, the largest batch."""
    return _config(running(request), _find(request, model))


@router.get(
    _VERSION + "/config",
    operation_id="v2_version_config",
    summary="How is this version served?",
    responses={**_CONFIG, **errors(400, 404, 503)},
    response_class=Response,
)
async def version_config(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Triton's model configuration: data types, dimensions, the largest batch."""
    return _config(running(request), _find(request, model, version))


@router.get(
    "/{model}",
    operation_id="v2_model",
    summary="What does this model take and give?",
    responses={**_METADATA, **errors(400, 404, 503)},
    response_class=Response,
)
async def model_metadata(request: Request, model: ModelName) -> Response:
    """Of the highest version that is ready."""
    return Response(metadata(_find(request, model)).to_json(), media_type=_JSON)


@router.get(
    _VERSION,
    operation_id="v2_version",
    summary="What does this version take and give?",
    responses={**_METADATA, **errors(400, 404, 503)},
    response_class=Response,
)
async def version_metadata(request: Request, model: ModelName, version: ModelVersion) -> Response:
    """Inputs and outputs with their data types and shapes; -1 is a free dimension."""
    return Response(metadata(_find(request, model, version)).to_json(), media_type=_JSON)


def _find(request: Request, model: str, version: str | None = None) -> Found:
    return find(running(request).registry.shelf, model, version)


def _ready(found: Found) -> Response:
    return Response(ModelReady(name=found.name, ready=True).to_json(), media_type=_JSON)


def _config(service: Running, found: Found) -> Response:
    told = config(found, most_rows=service.settings.max_images, threads=service.threads)
    return Response(json.dumps(told), media_type=_JSON)


def _statistics(service: Running, keys: list[tuple[str, int]]) -> Response:
    statistics = [statistic(key, service.statistics.of(key)) for key in keys]
    return Response(StatisticsAnswer(model_stats=statistics).to_json(), media_type=_JSON)
