"""Errors in the format of the client's protocol, by the path of the request.

`/v2` is the Open Inference Protocol: `{"error": "what happened"}`. `/openai` is OpenAI's:
`{"error": {"message", "type", "param", "code"}}`. Other paths get a problem document (RFC 9457).
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

ProblemDocument = Mapping[str, object]
ErrorFormatter = Callable[[int, ProblemDocument], tuple[int, ProblemDocument]]
"""Status and problem document → status and body."""


def error_formatter_for(path: str) -> ErrorFormatter | None:
    """Return the formatter for `path`, given without root path; None for problem documents."""
    prefix = path.split("/", 2)[1:2]
    return _FORMATTERS.get(prefix[0]) if prefix else None


def _format_v2_error(status: int, problem: ProblemDocument) -> tuple[int, ProblemDocument]:
    """Format an error as Triton does, whose status for invalid values is 400."""
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    return status, {"error": problem["detail"]}


def _format_openai_error(status: int, problem: ProblemDocument) -> tuple[int, ProblemDocument]:
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    is_unknown_model = status == HTTPStatus.NOT_FOUND and "available" in problem
    error = {
        "message": problem["detail"],
        "type": _OPENAI_TYPES.get(status, "server_error" if status >= 500 else _INVALID_REQUEST),
        "param": "model" if is_unknown_model else _param(problem),
        "code": "model_not_found" if is_unknown_model else _OPENAI_CODES.get(status),
    }
    return status, {"error": error}


def _param(problem: ProblemDocument) -> str | None:
    """Return the parameter that is wrong, of several the first."""
    errors = problem.get("errors")
    location = errors[0]["where"] if isinstance(errors, list) and errors else problem.get("param")
    return str(location).removeprefix("body.") if location not in (None, "body") else None


_INVALID_REQUEST = "invalid_request_error"
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_OPENAI_CODES = {401: "invalid_api_key", 404: "unknown_url", 429: "rate_limit_exceeded"}
_FORMATTERS: Mapping[str, ErrorFormatter] = {"v2": _format_v2_error, "openai": _format_openai_error}
