"""One handler for all that goes wrong: every error leaves as `application/problem+json`.

But for `/v2` and `/openai`, which keep the error shapes of their protocols.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.errors import ServiceError
from service.routes.http.error_formats import dialect_of
from service.scheduling.admission import RequestCancelled
from service.schemas.problem import PROBLEM_JSON

__all__ = ["CLIENT_GONE", "HANDLED", "handle", "told"]

_log = logging.getLogger(__name__)

HANDLED = (ServiceError, RequestValidationError, HTTPException, RequestCancelled)
"""What is expected to happen; whatever else is raised is a bug of ours, and answered with 500."""

CLIENT_GONE = 499
"""nginx's number for it: seen in the log alone, there is nobody to tell."""

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class _Where:
    """What of a request its error tells."""

    path: str
    root_path: str
    request_id: object


def told(error: ServiceError, path: str, root_path: str, request_id: str) -> tuple[bytes, str]:
    """Body and media type of an error, for who answers without the application."""
    where = _Where(path, root_path, request_id)
    _, body, media_type = _tell(
        where, error.status, error.slug, error.title, error.detail, error.extra
    )
    return body, media_type


async def handle(request: Request, error: Exception) -> Response:
    """The answer to any exception; of an unexpected one it tells nothing but its own id."""
    if isinstance(error, RequestCancelled):
        return Response(status_code=CLIENT_GONE)
    if isinstance(error, ServiceError):
        # In the middle of a stream the status says nothing any more.
        request.scope.get("state", {})["problem"] = error.slug
        title, extra, headers = error.title, error.extra, error.headers
        return _respond(request, error.status, error.slug, title, error.detail, extra, headers)
    if isinstance(error, RequestValidationError):
        errors = [_part(one) for one in error.errors()]
        detail = "; ".join(f"{one['where']}: {one['message']}" for one in errors)
        return _respond(request, 422, "invalid", "Invalid value", detail, {"errors": errors})
    if isinstance(error, HTTPException):
        return _http(request, error)
    _log.error("unexpected error", exc_info=error, extra={"fields": {"path": request.url.path}})
    detail = "something went wrong here, and has been logged under this request's id"
    return _respond(request, 500, "internal", "Internal error", detail)


def _http(request: Request, error: HTTPException) -> Response:
    status, headers = error.status_code, dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {_short(request.url.path)}; /docs lists what there is"
        return _respond(request, status, "not-found", "Not found", detail)
    phrase = HTTPStatus(status).phrase
    slug = phrase.lower().replace(" ", "-")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        accepted = [method.strip() for method in headers.get("Allow", "").split(",")]
        detail = f"{request.method} is not accepted here; accepted: {', '.join(accepted)}"
        return _respond(
            request, status, slug, "Method not allowed", detail, {"accepted": accepted}, headers
        )
    return _respond(request, status, slug, phrase, str(error.detail), {}, headers)


def _respond(
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
    where = _Where(request.url.path, scope.get("root_path", ""), request_id)
    status, body, media_type = _tell(where, status, slug, title, detail, extra or {})
    return Response(body, status, headers, media_type=media_type)


def _tell(
    where: _Where, status: int, slug: str, title: str, detail: str, extra: Mapping[str, object]
) -> tuple[int, bytes, str]:
    """Status, body and media type, as the client's protocol wants them."""
    body = {
        "type": f"{where.root_path}/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": where.path,
        "request_id": where.request_id,
        **extra,
    }
    dialect = dialect_of(where.path.removeprefix(where.root_path))
    if dialect is None:
        return status, _json(body), PROBLEM_JSON
    status, answer = dialect(status, body)
    return status, _json(answer), "application/json"


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _part(error: Mapping[str, object]) -> dict[str, object]:
    """One wrong parameter, in words that a caller of HTTP understands."""
    loc = error.get("loc")
    where = [str(part) for part in loc] if isinstance(loc, tuple) else []
    message = str(error.get("msg", "invalid")).removeprefix("Value error, ")
    if error.get("type") == "unknown_parameter":
        return {"where": ".".join(where), "message": message}
    got = _short(str(error.get("input")))
    return {"where": ".".join(where), "message": f"{message}; got {got!r}", "got": got}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
