"""gzip and deflate of whole bodies (RFC 9110, section 8.4.1), both ways, never without a bound."""

import zlib
from typing import Literal

from service.errors import BadRequest, ContentTooLarge, UnsupportedMediaType

__all__ = ["ContentCoding", "decode_body", "encode_body"]

ContentCoding = Literal["gzip", "deflate"]

_GZIP, _ZLIB, _RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_LEVEL = 1
"""The fastest: tensors hardly become smaller with more effort."""
_CODING_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def decode_body(body: bytes, coding: str | None, limit: int) -> bytes:
    """Decode a body with this Content-Encoding to at most `limit` bytes.

    Raises:
        Unsupported: another coding, or several. BadRequest: it is damaged or cut off.
        TooLarge: it unpacks to more.
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in _CODING_NAMES:
        raise UnsupportedMediaType(
            f"Content-Encoding is {name[:40]}; accepted are gzip, deflate, identity",
            accepted=["gzip", "deflate", "identity"],
        )
    try:
        if _CODING_NAMES[name] == "gzip":
            return _decompress(body, _GZIP, limit)
        # "deflate" means zlib's framing, but some send the bare stream.
        return _decompress(body, _ZLIB if _has_zlib_header(body) else _RAW_DEFLATE, limit)
    except zlib.error:
        raise BadRequest(f"the body is not {name}, as Content-Encoding says") from None


def _decompress(body: bytes, wbits: int, limit: int) -> bytes:
    parts, remaining, data = [], limit, body
    while data:  # gzip may have several members
        decompressor = zlib.decompressobj(wbits)
        part = decompressor.decompress(data, remaining + 1)
        if len(part) > remaining:
            raise ContentTooLarge(f"the body unpacks to over {limit} bytes; accepted are {limit}")
        if not decompressor.eof:
            raise BadRequest("the compressed body is cut off")
        parts.append(part)
        remaining -= len(part)
        data = decompressor.unused_data
        if data and wbits != _GZIP:
            raise BadRequest("there are bytes after the compressed body")
    return b"".join(parts)


def _has_zlib_header(body: bytes) -> bool:
    """RFC 1950, section 2.2: method 8, and a check sum over two bytes."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def encode_body(body: bytes, coding: ContentCoding) -> bytes:
    """`body` compressed as fast as it can be."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP if coding == "gzip" else _ZLIB)
    return compressor.compress(body) + compressor.flush()
