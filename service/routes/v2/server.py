"""Metadata and health of the server."""

from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.observability.worker_metrics import has_several_workers
from service.routes.http.direct_route import create_router
from service.routes.v2.openapi_fragments import TAG, error_responses
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
async def server_metadata() -> Response:
    """Return name, version and the supported extensions of the protocol."""
    extensions = _EXTENSIONS
    if has_several_workers():  # each worker would count its own requests only
        extensions = [name for name in extensions if name != "statistics"]
    response = ServerMetadata(name="deepshelf", version=_version(), extensions=extensions)
    return Response(response.to_json(), media_type="application/json")


@router.get(
    "/health/live",
    operation_id="v2_live",
    summary="Check liveness",
    responses={200: {"model": ServerLive, "description": "The process is live"}},
)
async def live() -> Response:
    """Return 200, as `/livez` does."""
    return Response(ServerLive(live=True).to_json(), media_type="application/json")


@router.get(
    "/health/ready",
    operation_id="v2_ready",
    summary="Check readiness",
    responses={
        200: {"model": ServerReady, "description": "The server is ready"},
        **error_responses(503),
    },
)
async def ready(request: Request) -> Response:
    """Return 200 if loading has finished and at least one model is ready, as `/readyz` does."""
    catalog = get_state(request).registry.catalog
    if not catalog.first_scan_done or not catalog.count("ready"):
        raise Unavailable(
            "no model is ready" if catalog.first_scan_done else "the models are being loaded"
        )
    return Response(ServerReady(ready=True).to_json(), media_type="application/json")


def _version() -> str:
    try:
        return version("deepshelf")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0"
