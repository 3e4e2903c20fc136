"""The exception handler: turns every error into an `application/problem+json` response.

`/v2` and `/openai` use the error formats of their protocols instead.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models_store.validation_messages import ValidationMessage, describe_errors
from service.errors import InvalidValue, ServiceError
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

_MAX_VALUE_CHARS = 80


@dataclass(frozen=True, slots=True)
class _RequestContext:
    """The parts of a request that its error document contains."""

    path: str
    root_path: str
    request_id: object


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
    error: ServiceError, path: str, root_path: str, request_id: str
) -> tuple[bytes, str]:
    """Return the body and media type of an error that is sent without the application."""
    context = _RequestContext(path, root_path, request_id)
    _, body, media_type = _render(
        context, error.status, error.slug, error.title, error.detail, error.extra
    )
    return body, media_type


async def handle_error(request: Request, error: Exception) -> Response:
    """Return the response for an exception; for an unexpected one, without any details."""
    if isinstance(error, RequestCancelled):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    if isinstance(error, RequestValidationError):  # raised by FastAPI for parameters in the path
        in_path = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
        error = _invalid_value(describe_errors(in_path, BaseModel), "path")
    if isinstance(error, ServiceError):
        # For the log and metrics: an error within a stream comes after the status has been sent.
        request.scope.get("state", {})["problem"] = error.slug
        title, extra, headers = error.title, error.extra, error.headers
        return _problem_response(
            request, error.status, error.slug, title, error.detail, extra, headers
        )
    if isinstance(error, HTTPException):
        return _http_exception_response(request, error)
    _log.error("unexpected error", exc_info=error, extra={"fields": {"path": request.url.path}})
    detail = "unexpected error; it is logged under this request's id"
    return _problem_response(request, 500, "internal", "Internal error", detail)


def _http_exception_response(request: Request, error: HTTPException) -> Response:
    status, headers = error.status_code, dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        path = _truncate(request.url.path)
        location = location_without_slash(request)
        if location is not None:
            return Response(status_code=307, headers={"Location": location})
        if wants_page(request):
            return not_found_page(request, path)
        detail = f"there is nothing at {path}; {_suggest_route(request)}/docs lists the routes"
        return _problem_response(request, status, "not-found", "Not found", detail)
    phrase = HTTPStatus(status).phrase
    slug = phrase.lower().replace(" ", "-")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        accepted = [method.strip() for method in headers.get("Allow", "").split(",")]
        detail = f"{request.method} is not accepted here; accepted: {', '.join(accepted)}"
        return _problem_response(
            request, status, slug, "Method not allowed", detail, {"accepted": accepted}, headers
        )
    return _problem_response(request, status, slug, phrase, str(error.detail), {}, headers)


def _suggest_route(request: Request) -> str:
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    paths = [route.path for route in routes if "{" not in route.path]
    nearest = get_close_matches(request.url.path[:64], paths, n=1, cutoff=0.8)
    return f"did you mean {nearest[0]}? " if nearest else ""


def _problem_response(
    request: Request,
    status: int,
    slug: str,
    title: str,
    detail: str,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    scope = request.scope
    request_id = scope.get("state", {}).get("request_id")
    context = _RequestContext(request.url.path, root_path(scope), request_id)
    status, body, media_type = _render(context, status, slug, title, detail, extra or {})
    return Response(body, status, headers, media_type=media_type)


def _render(
    context: _RequestContext,
    status: int,
    slug: str,
    title: str,
    detail: str,
    extra: Mapping[str, object],
) -> tuple[int, bytes, str]:
    """Return status, body and media type in the format of the client's protocol."""
    body = {
        "type": f"{context.root_path}/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": context.path,
        "request_id": context.request_id,
        **extra,
    }
    formatter = error_formatter_for(context.path.removeprefix(context.root_path))
    if formatter is None:
        return status, _encode_json(body), PROBLEM_JSON
    status, document = formatter(status, body)
    return status, _encode_json(document), "application/json"


def _encode_json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..."
