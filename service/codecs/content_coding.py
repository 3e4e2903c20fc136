"""Compress and decompress whole bodies by gzip and deflate (RFC 9110, section 8.4.1)."""

import zlib
from typing import Literal

from service.errors import BadRequest, ContentTooLarge, UnsupportedMediaType

ContentCoding = Literal["gzip", "deflate"]

_GZIP, _ZLIB, _RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_LEVEL = 1
"""The fastest: tensors hardly become smaller with more effort."""
_PIECE_BYTES = 16 << 10
_MAX_MEMBERS = 1_000
"""Compressors that work in parallel write a member for each 64 KiB or more."""
_CODING_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def decode_body(body: bytes, coding: str | None, limit: int) -> bytes:
    """Decode a body with this Content-Encoding to at most `limit` bytes.

    Raises:
        UnsupportedMediaType: another coding, or several.
        BadRequest: the body is damaged, cut off, or has too many members.
        ContentTooLarge: it unpacks to more.
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in _CODING_NAMES:
        raise UnsupportedMediaType(
            f"Content-Encoding is {name[:40]}; accepted: gzip, deflate, identity",
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
    parts: list[bytes] = []
    remaining, offset, members = limit, 0, 0
    while offset < len(body):  # gzip may have several members (RFC 1952, section 2.2)
        members += 1
        if members > _MAX_MEMBERS:
            raise BadRequest(f"the body has over {_MAX_MEMBERS} gzip members")
        if members > 1 and wbits != _GZIP:
            raise BadRequest("there are bytes after the compressed body")
        decompressor = zlib.decompressobj(wbits)
        # In pieces: zlib copies everything behind the end of a member.
        while not decompressor.eof and offset < len(body):
            piece = body[offset : offset + _PIECE_BYTES]
            part = decompressor.decompress(piece, remaining + 1)
            consumed = len(piece) - len(decompressor.unused_data or decompressor.unconsumed_tail)
            offset += consumed
            remaining -= len(part)
            if remaining < 0:
                raise ContentTooLarge(f"the body unpacks to over {limit} bytes, the limit")
            parts.append(part)
        if not decompressor.eof:
            raise BadRequest("the compressed body is truncated")
    return b"".join(parts)


def _has_zlib_header(body: bytes) -> bool:
    """Check the method and the checksum of zlib's header (RFC 1950, section 2.2)."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def encode_body(body: bytes, coding: ContentCoding) -> bytes:
    """Return `body` compressed at the fastest level."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP if coding == "gzip" else _ZLIB)
    return compressor.compress(body) + compressor.flush()
