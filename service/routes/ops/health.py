"""Probes, for whoever starts, stops and balances this process."""

from typing import Literal

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.routes.http.direct_route import DirectRoute
from service.routes.http.openapi_fragments import problem_responses
from service.schemas.base import ResponseModel
from service.state import get_state

__all__ = ["router"]

router = APIRouter(tags=["health"], route_class=DirectRoute)


class LivenessResponse(ResponseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "live"}]})

    status: Literal["live"]


class ReadinessResponse(ResponseModel):
    """The process can do its work."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ready", "ready": 7, "failed": 0}]}
    )

    status: Literal["ready"]
    ready: int
    """Versions that serve."""
    failed: int
    """Versions that do not; `/v1/models` says why."""


@router.get(
    "/livez",
    operation_id="livez",
    summary="Does the process answer?",
    responses={200: {"model": LivenessResponse, "description": "It does"}},
    response_class=Response,
)
async def livez() -> Response:
    """Restart a process that does not answer this."""
    return Response(LivenessResponse(status="live").to_json(), media_type="application/json")


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it do its work?",
    responses={
        200: {
            "model": ReadinessResponse,
            "description": "Loading is over and at least one model serves",
        },
        **problem_responses(503),
    },
    response_class=Response,
)
async def readyz(request: Request) -> Response:
    """Send requests only to a process that answers this with 200.

    503 until every model on the shelf has been verified, loaded and replayed, or has failed; and
    when none at all serves. One failed model among good ones is no reason to send nothing.
    """
    catalog = get_state(request).registry.catalog
    ready_count, failed_count = catalog.count("ready"), catalog.count("failed")
    if not catalog.first_scan_done:
        raise Unavailable(f"loading: {ready_count} ready, {catalog.count('loading')} to come")
    if not ready_count:
        reason = catalog.scan_error or f"{failed_count} failed, see /v1/models"
        raise Unavailable(f"no model is ready: {reason}")
    response = ReadinessResponse(status="ready", ready=ready_count, failed=failed_count)
    return Response(response.to_json(), media_type="application/json")
