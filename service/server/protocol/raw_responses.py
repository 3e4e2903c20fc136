"""Answers that the application has no part in, as bytes."""

import json
from collections.abc import Iterable
from http import HTTPStatus

__all__ = ["full", "refusal"]

_FULL = b"HTTP/1.1 503 Service Unavailable\r\n"


def full(
    defaults: Iterable[tuple[bytes, bytes]], headers: bytes, body: bytes, *, stays: bool
) -> bytes:
    """A 503, of `headers` lines, behind which the connection stays or ends."""
    lines = [b"%b: %b\r\n" % pair for pair in defaults]
    ending = b"\r\n" if stays else b"connection: close\r\n\r\n"
    return b"".join((_FULL, *lines, headers, ending, body))


def refusal(status: HTTPStatus, detail: str) -> bytes:
    """A problem, behind which the connection ends."""
    problem = {"title": status.phrase, "status": int(status), "detail": detail}
    body = json.dumps(problem).encode()
    retry = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n{retry}"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
