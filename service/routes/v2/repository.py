"""The shelf as a repository: what is there, and loading and unloading by hand."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service.errors import BadRequest, DeadlineExceeded, Invalid, Unavailable
from service.handlers.v2_models import names
from service.middleware.authentication import require_admin
from service.routes.http.request_body import body_chunks
from service.routes.v2.openapi_fragments import TAG, ModelName, errors
from service.runtime.catalog import Entry
from service.schemas.v2 import IndexedModel, IndexQuestion
from service.state import running

__all__ = ["router"]

router = APIRouter(prefix="/v2/repository", tags=[TAG])

_MAX_BODY_BYTES = 64 << 10
_STATES = {"ready": "READY", "loading": "LOADING", "failed": "UNAVAILABLE"}
_OPTIONAL_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": IndexQuestion.model_json_schema(),
                "example": {"ready": True},
            }
        },
    }
}
_DONE = {
    "description": "Done: here, and with several workers in each at its next look at the store",
    "content": {"application/json": {"schema": {"type": "object"}, "example": {}}},
}
_INDEX = [{"name": "resnet-cifar10", "version": "1", "state": "READY", "reason": ""}]
_KEY: dict[str, Any] = {"security": [{"AdminKey": []}]}


@router.post(
    "/index",
    operation_id="v2_index",
    summary="What is on the shelf?",
    responses={
        200: {
            "model": list[IndexedModel],
            "description": "Every version of every model",
            "content": {"application/json": {"example": _INDEX}},
        },
        **errors(400, 413),
    },
    response_class=Response,
    openapi_extra=_OPTIONAL_BODY,
)
async def index(request: Request) -> Response:
    """Names, versions and states. The body may be empty, or `{"ready": true}` for those alone."""
    body = await _body(request)
    try:
        question = IndexQuestion.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise BadRequest(f"the body is not JSON: {first['msg']}") from None
        raise Invalid(f"ready: {first['msg']}") from None
    shelf = running(request).registry.shelf
    answers = [
        model
        for entry in shelf.entries.values()
        if entry.model or not question.ready
        for model in _indexed(entry)
    ]
    answers.sort(key=lambda model: (model.name, int(model.version)))
    told = [answer.model_dump() for answer in answers]
    return Response(json.dumps(told), media_type="application/json")


@router.post(
    "/models/{model}/load",
    operation_id="v2_load",
    summary="Load a model",
    responses={200: _DONE, **errors(400, 401, 403, 404, 413, 503)},
    response_class=Response,
    openapi_extra=_KEY,
)
async def load(request: Request, model: ModelName) -> Response:
    """All versions of it, also where the settings say otherwise; one that failed is tried again.

    For the administrator's key. What the store holds is served: a configuration or files in the
    body are refused.
    """
    require_admin(request)
    _refuse_overrides(await _body(request))
    await _ordered(request, model, "load")
    return Response(b"{}", media_type="application/json")


@router.post(
    "/models/{model}/unload",
    operation_id="v2_unload",
    summary="Unload a model",
    responses={200: _DONE, **errors(400, 401, 403, 404, 413, 503)},
    response_class=Response,
    openapi_extra=_KEY,
)
async def unload(request: Request, model: ModelName) -> Response:
    """All versions of it, until it is loaded again. Requests under way are still answered.

    For the administrator's key.
    """
    require_admin(request)
    await _body(request)
    await _ordered(request, model, "unload")
    return Response(b"{}", media_type="application/json")


async def _ordered(request: Request, model: str, order: str) -> None:
    registry = running(request).registry
    registry.shelf.entry(model)  # a name that is not there is told what is
    act = registry.load if order == "load" else registry.unload
    try:
        await asyncio.to_thread(act, model)
    except OSError as error:
        raise Unavailable(f"the order could not be kept ({type(error).__name__})") from error


def _indexed(entry: Entry) -> list[IndexedModel]:
    called = [entry.name] if entry.manifest is None else names(entry.manifest)
    state = _STATES.get(entry.state, "UNAVAILABLE")
    reason = entry.reason or ("" if entry.model else entry.state)
    return [
        IndexedModel(name=name, version=str(entry.version), state=state, reason=reason)
        for name in called
    ]


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(running(request).settings.deadline_s):
            return b"".join([chunk async for chunk in body_chunks(request, _MAX_BODY_BYTES)])
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None


def _refuse_overrides(body: bytes) -> None:
    if not body.strip():
        return
    try:
        told = json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None
    parameters = told.get("parameters") if isinstance(told, dict) else None
    refused = [name[:40] for name in parameters or () if name != "unload_dependents"]
    if refused:
        raise Invalid(f"parameters: {refused[0]!r} is not supported; the store says what is served")
