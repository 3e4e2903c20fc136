"""Errors in the shape of the protocol that the client speaks, by the path that it asked.

`/v2` is the Open Inference Protocol: `{"error": "what happened"}`. `/openai` is OpenAI's:
`{"error": {"message", "type", "param", "code"}}`. All else gets a problem document (RFC 9457).
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

__all__ = ["ErrorFormatter", "error_formatter_for"]

ProblemDocument = Mapping[str, object]
ErrorFormatter = Callable[[int, ProblemDocument], tuple[int, ProblemDocument]]
"""Status and problem document → status and body."""


def error_formatter_for(path: str) -> ErrorFormatter | None:
    """How errors of `path`, which has no root path before it, are told; None for problems."""
    prefix = path.split("/", 2)[1:2]
    return _FORMATTERS.get(prefix[0]) if prefix else None


def _format_v2_error(status: int, problem: ProblemDocument) -> tuple[int, ProblemDocument]:
    """Wrong values are 400 there, as Triton answers them."""
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    return status, {"error": problem["detail"]}


def _format_openai_error(status: int, problem: ProblemDocument) -> tuple[int, ProblemDocument]:
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    errors = problem.get("errors")
    location = errors[0]["where"] if isinstance(errors, list) and errors else None
    error = {
        "message": problem["detail"],
        "type": _OPENAI_TYPES.get(status, "server_error" if status >= 500 else _INVALID_REQUEST),
        "param": str(location).removeprefix("body.") if location else None,
        "code": _OPENAI_CODES.get(status),
    }
    return status, {"error": error}


_INVALID_REQUEST = "invalid_request_error"
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 503: "overloaded_error"}
_OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found"}
_FORMATTERS: Mapping[str, ErrorFormatter] = {"v2": _format_v2_error, "openai": _format_openai_error}
