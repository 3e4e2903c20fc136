"""Probes for orchestrators and load balancers."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.routes.http.direct_route import create_router
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.responses import json_response
from service.schemas.base import ResponseModel, example
from service.state import get_state

router = create_router(tags=["health"])


class LivenessResponse(ResponseModel):
    """The process is live."""

    model_config = example({"status": "live"})

    status: Literal["live"]


class ReadinessResponse(ResponseModel):
    """The process can serve requests."""

    model_config = example({"status": "ready", "ready": 7, "failed": 0})

    status: Literal["ready"]
    ready: int
    """Versions that are ready."""
    failed: int
    """Versions that failed; `/v1/models` says why."""


@router.get(
    "/livez",
    operation_id="livez",
    summary="Check liveness",
    responses={200: {"model": LivenessResponse, "description": "The process is live"}},
)
async def livez(_: Request) -> Response:
    """Return 200. Restart a process that does not."""
    return json_response(LivenessResponse(status="live"))


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Check readiness",
    responses={
        200: {
            "model": ReadinessResponse,
            "description": "Loading has finished and at least one model is ready",
        },
        **problem_responses(503),
    },
)
async def readyz(request: Request) -> Response:
    """Return 200 if requests may be sent to this process.

    503 until every model in the store has been verified and loaded, or has failed, and while no
    model at all is ready. A failed model among ready ones does not matter.
    """
    catalog = get_state(request).registry.catalog
    ready_count, failed_count = catalog.count("ready"), catalog.count("failed")
    if not catalog.first_scan_done:
        raise Unavailable(f"loading: {ready_count} ready, {catalog.count('loading')} to come")
    if not ready_count:
        reason = catalog.scan_error or f"{failed_count} failed, see /v1/models"
        raise Unavailable(f"no model is ready: {reason}")
    return json_response(ReadinessResponse(status="ready", ready=ready_count, failed=failed_count))
