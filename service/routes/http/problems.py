"""The exception handler: turns every error into an `application/problem+json` response.

`/v2` and `/openai` use the error formats of their protocols instead.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models_store.validation_messages import (
    MAX_VALUE_CHARS,
    ValidationMessage,
    describe_errors,
    truncate,
)
from service.errors import InternalError, InvalidValue, MethodNotAllowed, NotFound, ServiceError
from service.routes.http.error_formats import error_formatter_for
from service.routes.http.locations import location_without_slash, root_path
from service.routes.http.not_found_page import not_found_page, wants_page
from service.scheduling.admission import RequestCancelled
from service.schemas.problem import PROBLEM_JSON

_log = logging.getLogger(__name__)

EXPECTED_ERRORS = (ServiceError, RequestValidationError, HTTPException, RequestCancelled)
"""Exceptions that become error responses; any other exception is a bug and becomes a 500."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that has disconnected. It appears only in the log."""


def invalid_parameters(
    error: ValidationError, model: type[BaseModel], location: str
) -> InvalidValue:
    """Return the error of a request whose query, form or body (`location`) is no `model`."""
    errors = error.errors(include_url=False)
    return _invalid_value(describe_errors(errors, model, noun="parameter"), location)


def _invalid_value(messages: Sequence[ValidationMessage], location: str) -> InvalidValue:
    return InvalidValue(
        "; ".join(map(str, messages)),
        errors=[
            {"where": ".".join((location, *message.path)), "message": message.text}
            | ({} if message.received is None else {"got": message.received})
            for message in messages
        ],
    )


def render_error(
    error: ServiceError, path: str, root_path: str, request_id: object
) -> tuple[int, bytes, str]:
    """Return status, body and media type in the format of the client's protocol."""
    document: Mapping[str, object] = {
        "type": f"{root_path}/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": path,
        "request_id": request_id,
        **error.extra,
    }
    status, media_type = error.status, PROBLEM_JSON
    formatter = error_formatter_for(path.removeprefix(root_path))
    if formatter is not None:
        status, document = formatter(status, document)
        media_type = "application/json"
    return status, json.dumps(document, ensure_ascii=False).encode(), media_type


async def handle_error(request: Request, error: Exception) -> Response:
    """Return the response for an exception; for an unexpected one, without any details."""
    if isinstance(error, RequestCancelled):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        location = location_without_slash(request)
        if location is not None:
            return Response(status_code=307, headers={"Location": location})
        if wants_page(request):
            return not_found_page(request, truncate(request.url.path, MAX_VALUE_CHARS))
    problem = _to_service_error(request, error)
    scope = request.scope
    # For the log and metrics: an error within a stream comes after the status has been sent.
    scope.get("state", {})["problem"] = problem.slug
    request_id = scope.get("state", {}).get("request_id")
    status, body, media_type = render_error(problem, request.url.path, root_path(scope), request_id)
    return Response(body, status, problem.headers, media_type=media_type)


def _to_service_error(request: Request, error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, RequestValidationError):  # raised by FastAPI for parameters in the path
        in_path = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
        return _invalid_value(describe_errors(in_path, BaseModel), "path")
    if isinstance(error, HTTPException):
        return _from_http_exception(request, error)
    _log.error("unexpected error", exc_info=error, extra={"fields": {"path": request.url.path}})
    return InternalError("unexpected error; it is logged under this request's id")


def _from_http_exception(request: Request, error: HTTPException) -> ServiceError:
    headers = error.headers or {}
    if error.status_code == HTTPStatus.NOT_FOUND:
        path = truncate(request.url.path, MAX_VALUE_CHARS)
        return NotFound(
            f"there is nothing at {path}; {_suggest_route(request)}/docs lists the routes"
        )
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(request.method, headers.get("Allow", ""))
    other = ServiceError(str(error.detail))
    other.status, other.title = error.status_code, HTTPStatus(error.status_code).phrase
    other.slug = other.title.lower().replace(" ", "-")
    return other


def _suggest_route(request: Request) -> str:
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    paths = [route.path for route in routes if "{" not in route.path]
    nearest = get_close_matches(request.url.path[:64], paths, n=1, cutoff=0.8)
    return f"did you mean {nearest[0]}? " if nearest else ""
