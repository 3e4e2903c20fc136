"""Responses as bytes, which are sent without the application."""

import json
from collections.abc import Iterable
from http import HTTPStatus

_STATUS_LINE_503 = b"HTTP/1.1 503 Service Unavailable\r\n"


def service_unavailable(
    default_headers: Iterable[tuple[bytes, bytes]], headers: bytes, body: bytes, *, keep_alive: bool
) -> bytes:
    """Return a 503 with these header lines; without `keep_alive`, it announces the close."""
    lines = [b"%b: %b\r\n" % pair for pair in default_headers]
    ending = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
    return b"".join((_STATUS_LINE_503, *lines, headers, ending, body))


def problem_response(status: HTTPStatus, detail: str) -> bytes:
    """Return a problem document (RFC 9457), after which the connection closes."""
    problem = {"title": status.phrase, "status": int(status), "detail": detail}
    body = json.dumps(problem).encode()
    retry = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n{retry}"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
