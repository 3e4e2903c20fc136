"""`GET /v1/models…`: what is on the shelf, each model's card and its picture."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.runtime.catalog import Entry, Shelf
from service.schemas.models import (
    ListedModel,
    ListedVersion,
    ModelCard,
    ModelsAnswer,
    VersionOption,
)
from service.schemas.openapi_fragments import problems
from service.state import running

__all__ = ["ModelNamePath", "router"]

router = APIRouter(prefix="/v1/models", tags=["models"])

ModelNamePath = Annotated[
    str, Path(max_length=64, description="As `/v1/models` lists it", examples=["resnet-cifar10"])
]


@router.get(
    "",
    operation_id="list_models",
    summary="What is on the shelf",
    responses={
        200: {"model": ModelsAnswer, "description": "Every model and version"},
        **problems(500),
    },
    response_class=Response,
)
async def list_models(request: Request) -> Response:
    """Every model with its versions and their states, served or not; a failed one says why."""
    shelf = running(request).registry.shelf
    answer = ModelsAnswer(models=[_listed(shelf, name) for name in shelf.by_name])
    return Response(answer.to_json(), media_type="application/json")


@router.get(
    "/{name}",
    operation_id="get_model",
    summary="One model's card",
    responses={
        200: {"model": ModelCard, "description": "The manifest, and the version's state"},
        **problems(404, 422, 500, 503),
    },
    response_class=Response,
)
async def get_model(
    request: Request, name: ModelNamePath, query: Annotated[VersionOption, Query()]
) -> Response:
    """What it does, what it was measured to do, where it comes from, what it is not for."""
    entry = running(request).registry.shelf.entry(name, query.version)
    if entry.manifest is None:
        raise Unavailable(_why(entry))
    card = {**entry.manifest.model_dump(mode="json"), "state": entry.state}
    if entry.reason:
        card["reason"] = entry.reason
    return Response(json.dumps(card, ensure_ascii=False), media_type="application/json")


@router.get(
    "/{name}/preview",
    operation_id="get_model_preview",
    summary="What one model does, as a picture",
    responses={
        200: {
            "description": "Samples, reconstructions, a confusion matrix or a curve",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404, 422, 500, 503),
    },
    response_class=Response,
)
async def get_model_preview(
    request: Request, name: ModelNamePath, query: Annotated[VersionOption, Query()]
) -> Response:
    """The picture that was published with it."""
    entry = running(request).registry.shelf.entry(name, query.version)
    if entry.model is None:
        raise Unavailable(_why(entry))
    return Response(entry.model.preview, media_type="image/png")


def _listed(shelf: Shelf, name: str) -> ListedModel:
    versions = shelf.by_name[name]
    served = shelf.served.get(name)
    known = [entry.manifest.task.kind for entry in versions.values() if entry.manifest]
    task = served.task.kind if served else (known[-1] if known else None)
    return ListedModel(
        name=name,
        task=task,
        default=task is not None and shelf.defaults.get(task) == name,
        versions=[_version(entry) for entry in versions.values()],
    )


def _version(entry: Entry) -> ListedVersion:
    if entry.reason is None:
        return ListedVersion(version=entry.version, state=entry.state)
    return ListedVersion(version=entry.version, state=entry.state, reason=entry.reason)


def _why(entry: Entry) -> str:
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.name} {entry.version} is {entry.state}{reason}"
