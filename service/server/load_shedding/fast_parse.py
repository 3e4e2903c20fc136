"""Whole, plain requests, told without a parser.

To parse a request, as uvicorn and httptools do, takes several times as long as to refuse it. Most
requests of a flood come in one piece, and say nothing that a refusal depends on. Whatever could
make two readers differ about where such a request ends (RFC 9112, section 6.3 and 11.2) is none of
them: the parser gets it.
"""

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["SimpleRequest", "parse_simple_request"]

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 1024
"""Of the longest head that is looked at, which bounds what is remembered of them."""
_HEAD_PATTERN = re.compile(
    rb"(GET|POST) (/[A-Za-z0-9/_.~-]*)(?:\?[!\"$-~]*)? HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)"
)
_FRAMING_HEADERS = re.compile(
    rb"^(connection|content-length|expect|origin|transfer-encoding|upgrade|x-request-id):"
    rb"(.*)\r$",
    re.IGNORECASE | re.MULTILINE,
)
_DIGITS = re.compile(rb"[0-9]{1,9}")


class SimpleRequest(NamedTuple):
    """A request that is what it seems to be."""

    method: str
    path: str


class _Head(NamedTuple):
    request: SimpleRequest
    body_bytes: int


def parse_simple_request(data: bytes) -> SimpleRequest | None:
    """The request that `data` is, if it is exactly one and a plain one."""
    head_end = data.find(_HEAD_END, 0, _MAX_HEAD_BYTES)
    if head_end < 0:
        return None
    # What is refused thousands of times a second begins with the same bytes.
    head = _parse_head(data[: head_end + 2])
    if head is None or len(data) != head_end + len(_HEAD_END) + head.body_bytes:
        return None
    return head.request


@lru_cache(maxsize=256)
def _parse_head(head: bytes) -> _Head | None:
    match = _HEAD_PATTERN.fullmatch(head)
    if match is None:
        return None
    lengths = []
    for name, text in _FRAMING_HEADERS.findall(match[3]):
        value = text.strip(b"\t ")
        match name.lower():
            case b"connection" if value.lower() == b"keep-alive":
                pass
            case b"content-length" if _DIGITS.fullmatch(value):
                lengths.append(int(value))
            case _:
                return None
    if len(lengths) > 1:
        return None
    return _Head(SimpleRequest(match[1].decode(), match[2].decode()), sum(lengths))
