"""Requests that httptools accepts and HTTP/1.1 (RFC 9112) does not."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

_MAX_HEADERS = 128
"""Fields of a request. Every lookup of one passes over all."""
_HOST = re.compile(rb"(?:\[[\w:.%~-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?")
"""uri-host [":" port] (RFC 9110, section 7.2)."""


class RequestError(NamedTuple):
    """The reason why a request is rejected before it reaches the application."""

    status: HTTPStatus
    reason: str
    """Label of the rejection in the metrics."""
    detail: str


def check_request_head(
    version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]], max_header_bytes: int
) -> RequestError | None:
    """Return what is wrong with a request line and headers; their names are in lower case."""
    size = len(url) + sum(len(name) + len(value) for name, value in headers)
    if size > max_header_bytes or len(headers) > _MAX_HEADERS:
        return header_too_large(max_header_bytes)
    if version not in ("1.0", "1.1"):
        status, detail = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"HTTP/{version} is not supported"
        return RequestError(status, "invalid", detail)
    return _check_host(version, headers) or _check_transfer_encoding(version, headers)


def header_too_large(max_header_bytes: int) -> RequestError:
    """Return the error of a request line and headers over the limit."""
    detail = (
        f"a request is limited to {_MAX_HEADERS} header fields of {max_header_bytes} bytes together"
    )
    return RequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-size", detail)


def _check_host(version: str, headers: Sequence[tuple[bytes, bytes]]) -> RequestError | None:
    """Check section 3.2: exactly one valid Host. HTTP/1.0 has no such header."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return _bad_request(f"a request has one header Host; this one has {len(hosts)}")
    if hosts and not _HOST.fullmatch(hosts[0].strip()):
        return _bad_request("the header Host is not the name or the address of a host")
    return None


def _check_transfer_encoding(
    version: str, headers: Sequence[tuple[bytes, bytes]]
) -> RequestError | None:
    """Check sections 6.1 and 6.3. httptools ignores codings that are followed by `chunked`."""
    values = [value for name, value in headers if name == b"transfer-encoding"]
    if not values or (values == [b"chunked"] and version == "1.1"):
        return None
    codings = [coding.strip().lower() for coding in b",".join(values).split(b",") if coding.strip()]
    if version == "1.0" or codings[-1:] != [b"chunked"] or codings.count(b"chunked") > 1:
        return _bad_request("Transfer-Encoding must end with `chunked`, once, and needs HTTP/1.1")
    if len(codings) > 1:
        detail = "the only Transfer-Encoding is `chunked`; name others in Content-Encoding"
        return RequestError(HTTPStatus.NOT_IMPLEMENTED, "invalid", detail)
    return None


def _bad_request(detail: str) -> RequestError:
    return RequestError(HTTPStatus.BAD_REQUEST, "invalid", detail)
