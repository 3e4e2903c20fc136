"""The model repository extension: list, load and unload models."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models_store.errors import StoreError
from service.auth.request_key import require_admin
from service.errors import BadRequest, InvalidValue, Unavailable
from service.routes.http.direct_route import create_router
from service.routes.http.json_body import parse_json
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.request_body import read_bytes
from service.routes.http.responses import JSON
from service.routes.v2.openapi_fragments import MODEL, TAG
from service.routes.v2.target import protocol_names, requested_model
from service.runtime.catalog import ModelVersion
from service.schemas.v2 import RepositoryIndexEntry, RepositoryIndexRequest
from service.state import get_state

router = create_router(prefix="/v2/repository", tags=[TAG])

_MAX_BODY_BYTES = 64 << 10
_PROTOCOL_STATES = {"ready": "READY", "loading": "LOADING", "failed": "UNAVAILABLE"}
_INDEX_REQUEST_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": RepositoryIndexRequest.model_json_schema(),
                "example": {"ready": True},
            }
        },
    }
}
_INDEX_EXAMPLE = [{"name": "resnet-cifar10", "version": "1", "state": "READY", "reason": ""}]
_CONTROL: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Done; other workers follow at their next scan of the store",
            "content": {JSON: {"schema": {"type": "object"}, "example": {}}},
        },
        **problem_responses(401, 403, 404, 413, 422, 503),
    },
    "openapi_extra": {"security": [{"AdminKey": []}], "parameters": [MODEL]},
}
"""OpenAPI of the operations that only an administrator may use."""


@router.post(
    "/index",
    operation_id="v2_index",
    summary="List the repository's models",
    responses={
        200: {
            "model": list[RepositoryIndexEntry],
            "description": "Every version of every model",
            "content": {"application/json": {"example": _INDEX_EXAMPLE}},
        },
        **problem_responses(413, 422),
    },
    openapi_extra=_INDEX_REQUEST_BODY,
)
async def index(request: Request) -> Response:
    """List names, versions and states; with the body `{"ready": true}`, of ready models only."""
    body = await _read_body(request)
    index_request = parse_json(body or b"{}", RepositoryIndexRequest)
    catalog = get_state(request).registry.catalog
    index_entries = [
        model
        for entry in catalog.versions.values()
        if entry.model or not index_request.ready
        for model in _index_entries(entry)
    ]
    index_entries.sort(key=lambda model: (model.name, int(model.version)))
    content = [entry_model.model_dump() for entry_model in index_entries]
    return Response(json.dumps(content), media_type="application/json")


@router.post("/models/{model}/load", operation_id="v2_load", summary="Load a model", **_CONTROL)
async def load(request: Request) -> Response:
    """Load all versions of a model, even if the settings exclude it, and retry failed ones.

    Needs an administrator's key. Files and configurations in the body are rejected: models come
    from the store only.
    """
    require_admin(request)
    _reject_overrides(await _read_body(request))
    return await _control_model(request, get_state(request).registry.load)


@router.post(
    "/models/{model}/unload", operation_id="v2_unload", summary="Unload a model", **_CONTROL
)
async def unload(request: Request) -> Response:
    """Unload all versions of a model until it is loaded again. Running requests complete.

    Needs an administrator's key.
    """
    require_admin(request)
    await _read_body(request)
    return await _control_model(request, get_state(request).registry.unload)


async def _control_model(request: Request, apply: Callable[[str], None]) -> Response:
    model, _ = requested_model(request)
    get_state(request).registry.catalog.get_version(model)  # raises NotFound; lists the models
    try:
        await asyncio.to_thread(apply, model)
    except (OSError, StoreError) as error:
        raise Unavailable(f"the store cannot be used ({type(error).__name__})") from error
    return Response(b"{}", media_type=JSON)


def _index_entries(entry: ModelVersion) -> list[RepositoryIndexEntry]:
    served_names = [entry.name] if entry.manifest is None else protocol_names(entry.manifest)
    state = _PROTOCOL_STATES.get(entry.state, "UNAVAILABLE")
    reason = entry.reason or ("" if entry.model else entry.state)
    return [
        RepositoryIndexEntry(name=name, version=str(entry.version), state=state, reason=reason)
        for name in served_names
    ]


async def _read_body(request: Request) -> bytes:
    return await read_bytes(request, _MAX_BODY_BYTES)


def _reject_overrides(body: bytes) -> None:
    if not body.strip():
        return
    try:
        document = json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None
    parameters = document.get("parameters") if isinstance(document, dict) else None
    rejected = [name[:40] for name in parameters or () if name != "unload_dependents"]
    if rejected:
        raise InvalidValue(
            f"parameters: {rejected[0]!r} is not supported; models come from the store only"
        )
