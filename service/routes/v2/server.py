"""Metadata and health of the server."""

from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.observability.worker_metrics import has_several_workers
from service.routes.http.direct_route import create_router
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.responses import json_response
from service.routes.v2.openapi_fragments import TAG
from service.schemas.v2 import ServerLive, ServerMetadata, ServerReady
from service.state import get_state

router = create_router(prefix="/v2", tags=[TAG])

_EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
]


@router.get(
    "",
    operation_id="v2_server",
    summary="Get the server's metadata",
    responses={200: {"model": ServerMetadata, "description": "Name, version and extensions"}},
)
async def server_metadata(request: Request) -> Response:
    """Return name, version and the supported extensions of the protocol."""
    extensions = _EXTENSIONS
    if has_several_workers():  # each worker would count its own requests only
        extensions = [name for name in extensions if name != "statistics"]
    version = request.app.version
    return json_response(ServerMetadata(name="deepshelf", version=version, extensions=extensions))


@router.get(
    "/health/live",
    operation_id="v2_live",
    summary="Check liveness",
    responses={200: {"model": ServerLive, "description": "The process is live"}},
)
async def live(_: Request) -> Response:
    """Return 200, as `/livez` does."""
    return json_response(ServerLive(live=True))


@router.get(
    "/health/ready",
    operation_id="v2_ready",
    summary="Check readiness",
    responses={
        200: {"model": ServerReady, "description": "The server is ready"},
        **problem_responses(503),
    },
)
async def ready(request: Request) -> Response:
    """Return 200 if loading has finished and at least one model is ready, as `/readyz` does."""
    catalog = get_state(request).registry.catalog
    if not catalog.first_scan_done or not catalog.count("ready"):
        raise Unavailable(
            "no model is ready" if catalog.first_scan_done else "the models are being loaded"
        )
    return json_response(ServerReady(ready=True))
