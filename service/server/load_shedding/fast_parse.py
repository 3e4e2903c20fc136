"""Whole, plain requests, told without a parser.

To parse a request, as uvicorn and httptools do, takes several times as long as to refuse it. Most
requests of a flood come in one piece, and say nothing that a refusal depends on. Whatever could
make two readers differ about where such a request ends (RFC 9112, section 6.3 and 11.2) is none of
them: the parser gets it.
"""

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Plain", "plain"]

_END = b"\r\n\r\n"
_HEAD_BYTES = 1024
"""Of the longest head that is looked at, which bounds what is remembered of them."""
_HEAD = re.compile(
    rb"(GET|POST) (/[A-Za-z0-9/_.~-]*)(?:\?[!\"$-~]*)? HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)"
)
_TELLING = re.compile(
    rb"^(connection|content-length|expect|origin|transfer-encoding|upgrade|x-request-id):"
    rb"(.*)\r$",
    re.IGNORECASE | re.MULTILINE,
)
_DIGITS = re.compile(rb"[0-9]{1,9}")


class Plain(NamedTuple):
    """A request that is what it seems to be."""

    method: str
    path: str


class _Head(NamedTuple):
    request: Plain
    body_bytes: int


def plain(data: bytes) -> Plain | None:
    """The request that `data` is, if it is exactly one and a plain one."""
    end = data.find(_END, 0, _HEAD_BYTES)
    if end < 0:
        return None
    # What is refused thousands of times a second begins with the same bytes.
    head = _read(data[: end + 2])
    if head is None or len(data) != end + len(_END) + head.body_bytes:
        return None
    return head.request


@lru_cache(maxsize=256)
def _read(head: bytes) -> _Head | None:
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    lengths = []
    for name, text in _TELLING.findall(found[3]):
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
    return _Head(Plain(found[1].decode(), found[2].decode()), sum(lengths))
