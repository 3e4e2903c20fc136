"""Errors in the shape of the protocol that the client speaks, by the path that it asked.

`/v2` is the Open Inference Protocol: `{"error": "what happened"}`. `/openai` is OpenAI's:
`{"error": {"message", "type", "param", "code"}}`. All else gets a problem document (RFC 9457).
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

__all__ = ["Dialect", "dialect_of"]

Told = Mapping[str, object]
Dialect = Callable[[int, Told], tuple[int, Told]]
"""Status and problem document → status and body."""


def dialect_of(path: str) -> Dialect | None:
    """How errors of `path`, which has no root path before it, are told; None for problems."""
    first = path.split("/", 2)[1:2]
    return _DIALECTS.get(first[0]) if first else None


def _open_inference(status: int, problem: Told) -> tuple[int, Told]:
    """Wrong values are 400 there, as Triton answers them."""
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    return status, {"error": problem["detail"]}


def _openai(status: int, problem: Told) -> tuple[int, Told]:
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    errors = problem.get("errors")
    where = errors[0]["where"] if isinstance(errors, list) and errors else None
    error = {
        "message": problem["detail"],
        "type": _OPENAI_TYPES.get(status, "server_error" if status >= 500 else _INVALID),
        "param": str(where).removeprefix("body.") if where else None,
        "code": _OPENAI_CODES.get(status),
    }
    return status, {"error": error}


_INVALID = "invalid_request_error"
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 503: "overloaded_error"}
_OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found"}
_DIALECTS: Mapping[str, Dialect] = {"v2": _open_inference, "openai": _openai}
