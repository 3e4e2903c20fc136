"""Probes, for whoever starts, stops and balances this process."""

from typing import Literal

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Unavailable
from service.schemas.base import Answer
from service.schemas.openapi_fragments import problems
from service.state import running

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Live(Answer):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "live"}]})

    status: Literal["live"]


class Ready(Answer):
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
    responses={200: {"model": Live, "description": "It does"}},
    response_class=Response,
)
async def livez() -> Response:
    """Restart a process that does not answer this."""
    return Response(Live(status="live").to_json(), media_type="application/json")


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it do its work?",
    responses={
        200: {"model": Ready, "description": "Loading is over and at least one model serves"},
        **problems(503),
    },
    response_class=Response,
)
async def readyz(request: Request) -> Response:
    """Send requests only to a process that answers this with 200.

    503 until every model on the shelf has been verified, loaded and replayed, or has failed; and
    when none at all serves. One failed model among good ones is no reason to send nothing.
    """
    shelf = running(request).registry.shelf
    ready, failed = shelf.count("ready"), shelf.count("failed")
    if not shelf.complete:
        raise Unavailable(f"loading: {ready} ready, {shelf.count('loading')} to come")
    if not ready:
        reason = shelf.problem or f"{failed} failed, see /v1/models"
        raise Unavailable(f"no model is ready: {reason}")
    answer = Ready(status="ready", ready=ready, failed=failed)
    return Response(answer.to_json(), media_type="application/json")
