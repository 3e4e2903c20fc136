"""`GET /v1/models…`: the models in the store, their cards and preview images."""

import json
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from service.codecs.nested_lists import to_nested
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.openapi_fragments import MODEL_HEADERS, problem_responses
from service.routes.http.queued import queued
from service.routes.http.responses import json_response, model_headers
from service.runtime.catalog import ModelCatalog, ModelVersion
from service.scheduling.admission import Ticket
from service.schemas.models import (
    ModelCard,
    ModelsResponse,
    ModelSummary,
    VersionParams,
    VersionSummary,
)
from service.schemas.predict import SampleResponse
from service.state import get_state

router = create_router(prefix="/v1/models", tags=["models"])

ModelNamePath = Annotated[
    str, Path(max_length=64, description="As `/v1/models` lists it", examples=["resnet-cifar10"])
]


@router.get(
    "",
    operation_id="list_models",
    summary="List models",
    responses={
        200: {"model": ModelsResponse, "description": "Every model and version"},
        **problem_responses(500),
    },
)
async def list_models(request: Request) -> Response:
    """List every model with its versions and their states, and why a version failed."""
    catalog = get_state(request).registry.catalog
    response = ModelsResponse(models=[_model_summary(catalog, name) for name in catalog.by_name])
    return json_response(response)


@router.get(
    "/{name}",
    operation_id="get_model",
    summary="Get a model's card",
    responses={
        200: {"model": ModelCard, "description": "The manifest, and the version's state"},
        **problem_responses(404, 422, 500, 503),
    },
)
async def get_model(
    request: Request, name: ModelNamePath, query: Annotated[VersionParams, Query()]
) -> Response:
    """Return the model's purpose, measured results, provenance, licence and limits."""
    entry = get_state(request).registry.catalog.get_version(name, query.version)
    manifest = entry.manifest or entry.require_model().manifest
    card = {**manifest.model_dump(mode="json"), "state": entry.state}
    if entry.reason:
        card["reason"] = entry.reason
    if entry.model and entry.model.providers:
        card["providers"] = dict(entry.model.providers)
    return Response(json.dumps(card, ensure_ascii=False), media_type="application/json")


@router.get(
    "/{name}/preview",
    operation_id="get_model_preview",
    summary="Get a model's preview image",
    responses={
        200: {
            "description": "Samples, reconstructions, a confusion matrix or a curve",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problem_responses(404, 422, 500, 503),
    },
)
async def get_model_preview(
    request: Request, name: ModelNamePath, query: Annotated[VersionParams, Query()]
) -> Response:
    """Return the image that was published with the model."""
    entry = get_state(request).registry.catalog.get_version(name, query.version)
    return Response(entry.require_model().preview, media_type="image/png")


@router.get(
    "/{name}/sample",
    operation_id="get_model_sample",
    summary="Get inputs that a model accepts",
    responses={
        200: {
            "model": SampleResponse,
            "description": "A body for `/v1/predict`",
            "headers": MODEL_HEADERS,
        },
        **problem_responses(404, 422, 500, 503, 504),
    },
)
@queued("images")
async def get_model_sample(
    request: Request, name: ModelNamePath, query: Annotated[VersionParams, Query()]
) -> Response:
    """Return inputs that the model was checked with when it was published.

    curl http://127.0.0.1:8000/v1/models/iris/sample |
        curl -d @- 'http://127.0.0.1:8000/v1/predict?model=iris'
    """
    state = get_state(request)
    model = state.registry.catalog.get_version(name, query.version).require_model()

    def work(_: Ticket) -> Response:
        inputs = state.inspector.sample(model.manifest)
        nested = {name: to_nested(name, tensor) for name, tensor in inputs.items()}
        return json_response(SampleResponse(inputs=nested), model_headers(model))

    return await run_in_pool(request, state.pool.admission.now(), work)


def _model_summary(catalog: ModelCatalog, name: str) -> ModelSummary:
    versions = catalog.by_name[name]
    served = catalog.served_models.get(name)
    known_tasks = [entry.manifest.task.kind for entry in versions.values() if entry.manifest]
    task = served.task.kind if served else (known_tasks[-1] if known_tasks else None)
    return ModelSummary(
        name=name,
        task=task,
        default=task is not None and catalog.defaults.get(task) == name,
        versions=[_version_summary(entry) for entry in versions.values()],
    )


def _version_summary(entry: ModelVersion) -> VersionSummary:
    fields: dict[str, Any] = {"version": entry.version, "state": entry.state}
    if entry.reason is not None:
        fields["reason"] = entry.reason
    if entry.model and entry.model.providers:
        fields["providers"] = sorted(set(entry.model.providers.values()))
    return VersionSummary(**fields)
