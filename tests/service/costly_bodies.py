"""Bodies that make a reader work for each byte: many parts, overlapping parts, parts in parts.

`COSTLY_BODIES` has one entry for each reader and each part that a body can repeat. `make(n)` gives
a body of n such parts, whose length grows linearly with n.
"""

import asyncio
import gzip
import json
import struct
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image
from starlette.datastructures import Headers

from models_store.compression.container import CompressedImage, pack
from service.codecs.bitstream import unpack_code
from service.codecs.content_coding import decode_body
from service.codecs.images import decode_native
from service.codecs.tensors import from_bytes, from_json
from service.errors import ServiceError
from service.routes.http.content_negotiation import negotiate
from service.routes.http.multipart import FormSpec, parse_form
from service.routes.v2.protocol import parse_infer_request
from tests.models_store.images.files import Ifd, build_tiff
from tests.service.codecs.files import (
    DISPLAY_P3,
    encoded,
    matrix_profile,
    png,
    png_chunk,
    smooth,
)

_MAX_PIXELS = 1_000_000
_BODY_LIMIT = 20 << 20
_JSON_LIMIT = 1 << 20


@dataclass(frozen=True)
class CostlyBody:
    """A kind of body, and the reader that it is for."""

    make: Callable[[int], bytes]
    read: Callable[[bytes], object]
    parts: int
    """Parts of the smallest of the bodies that are compared; the largest has four times as many."""

    def run(self, body: bytes) -> None:
        """Read the body; it may be rejected."""
        with suppress(ServiceError):
            self.read(body)


def _decode(data: bytes) -> None:
    decode_native(data, "RGB", _MAX_PIXELS)


# JPEG

_JPEG = encoded(smooth(16, 16), "JPEG")
_PROGRESSIVE_JPEG = encoded(smooth(16, 16), "JPEG", progressive=True)


def _segments(marker: int, payload: bytes) -> Callable[[int], bytes]:
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload
    return lambda n: _JPEG[:2] + segment * n + _JPEG[2:]


def _scans(n: int) -> bytes:
    last = _PROGRESSIVE_JPEG.rindex(b"\xff\xda")
    return _PROGRESSIVE_JPEG[:last] + _PROGRESSIVE_JPEG[last:-2] * n + b"\xff\xd9"


def _exif_fields(n: int) -> bytes:
    return _ifd([((300 + index) % 65_536, 4, 1, 0) for index in range(n)])


def _ifd(fields: list[tuple[int, int, int, int]]) -> bytes:
    """Return a TIFF of one directory, whose count of fields stops at what two bytes hold."""
    body = b"".join(struct.pack("<2H2I", *field) for field in sorted(fields))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", min(len(fields), 65_535)) + body + bytes(4)


# PNG

_PNG_PIXELS = png_chunk(b"IDAT", zlib.compress(bytes(4 * 5)))
_PNG_END = png_chunk(b"IEND", b"")
_PNG_RGB_PIXELS = png_chunk(b"IDAT", zlib.compress(bytes(4 * 13)))
_PROFILE = matrix_profile(DISPLAY_P3)


def _chunks(*chunk: bytes, after_pixels: bool = False) -> Callable[[int], bytes]:
    def make(n: int) -> bytes:
        repeated = b"".join(chunk) * n
        parts = (_PNG_PIXELS, repeated) if after_pixels else (repeated, _PNG_PIXELS)
        return png(4, 4, *parts, _PNG_END)

    return make


def _profile_steps(n: int) -> bytes:
    """Return a PNG with an ICC profile of n processing steps, all of them one and the same.

    The tag D2B1 (ICC.1:2010, sections 9.2.39 and 10.14) is added to a valid profile.
    """
    matrix = np.array([[0.99, 0, 0], [0, 0.99, 0], [0, 0, 0.99], [0.001, 0, 0]], ">f4")
    step = b"matf" + bytes(4) + struct.pack(">2H", 3, 3) + matrix.tobytes()
    table = struct.pack(">2I", 16 + 8 * n, len(step)) * n
    tag = b"mpet" + bytes(4) + struct.pack(">2HI", 3, 3, n) + table + step
    (count,) = struct.unpack_from(">I", _PROFILE, 128)
    entries = [struct.unpack_from(">4s2I", _PROFILE, 132 + 12 * index) for index in range(count)]
    moved = [(name, offset + 12, size) for name, offset, size in entries]
    moved.append((b"D2B1", len(_PROFILE) + 12, len(tag)))
    profile = b"".join(
        [
            struct.pack(">I", len(_PROFILE) + 12 + len(tag)),
            _PROFILE[4:128],
            struct.pack(">I", len(moved)),
            *(struct.pack(">4s2I", *entry) for entry in moved),
            _PROFILE[132 + 12 * count :],
            tag,
        ]
    )
    chunk = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(profile, 0))
    return png(4, 4, chunk, _PNG_RGB_PIXELS, _PNG_END, color=2)


# Other image formats

_WEBP = encoded(smooth(16, 16), "WEBP")
_GIF = encoded(smooth(16, 16), "GIF")
_GIF_HEADER = 13 + (3 << (_GIF[10] & 7) + 1)
_TIFF_FIELDS = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 278: 16}


def _webp(chunks: bytes, flags: int = 0) -> bytes:
    extended = b"VP8X\x0a\0\0\0" + bytes([flags, 0, 0, 0]) + b"\x0f\0\0\x0f\0\0"
    body = b"WEBP" + extended + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_frames(n: int) -> bytes:
    frame = bytes(6) + b"\x0f\0\0\x0f\0\0" + bytes(4) + _WEBP[12:]
    chunk = b"ANMF" + struct.pack("<I", len(frame)) + frame
    return _webp(b"ANIM\6\0\0\0" + bytes(6) + chunk * n, flags=2)


def _tiff_fields(kind: int, count: int) -> Callable[[int], bytes]:
    def make(n: int) -> bytes:
        fields = [(tag, 4, 1, value) for tag, value in {**_TIFF_FIELDS, 273: 8, 279: 256}.items()]
        # All values overlap.
        fields += [((1000 + index) % 65_536, kind, count, 8) for index in range(n)]
        return _ifd(fields) + bytes(300)

    return make


def _tiff_strips(compression: int, overlapping: bool) -> Callable[[int], bytes]:
    strip = zlib.compress(bytes(16)) if compression == 8 else bytes(16)

    def make(n: int) -> bytes:
        pixels = strip * n
        counts = [len(pixels) if overlapping else len(strip)] * n
        offsets = [8 if overlapping else 8 + len(strip) * index for index in range(n)]
        fields: Ifd = {**_TIFF_FIELDS, 257: n, 278: 1, 259: compression, 273: offsets, 279: counts}
        # The strips lie where `build_tiff` puts the values of a field.
        return build_tiff({**fields, 65_000: pixels})

    return make


def _tiff_pages(n: int) -> bytes:
    return build_tiff(*[_TIFF_FIELDS] * n, pixels=bytes(256))


def _boxes(kind: str) -> Callable[[int], bytes]:
    data = encoded(smooth(64, 64), kind)
    return lambda n: data + b"\0\0\0\x08free" * n


def _avif_obus(n: int) -> bytes:
    return _with_more_obus(b"\x12\0" * n)


def _avif_frames(n: int) -> bytes:
    return _with_more_obus(b"\x32\x01\0" * n)


def _with_more_obus(more: bytes) -> bytes:
    data = encoded(smooth(64, 64), "AVIF")
    # The item's length is the last field of iloc; its data ends the file.
    length_at = data.index(b"iloc") + 22
    length = int.from_bytes(data[length_at : length_at + 4], "big")
    changed = data[:length_at] + struct.pack(">I", length + len(more)) + data[length_at + 4 :]
    mdat = changed.index(b"mdat") - 4
    return (
        changed[:mdat]
        + struct.pack(">I", len(changed) - mdat + len(more))
        + changed[mdat + 4 :]
        + more
    )


def _heic_pictures(n: int) -> bytes:
    data = encoded(smooth(64, 64), "HEIF")
    start = data.index(b"mdat") + 4
    content = data[start:] * n
    # The item's length is the last field of iloc.
    length_at = data.index(b"iloc") + 26
    assert int.from_bytes(data[length_at : length_at + 4], "big") == len(data) - start
    return (
        data[:length_at]
        + struct.pack(">I", len(content))
        + data[length_at + 4 : start - 8]
        + struct.pack(">I", 8 + len(content))
        + b"mdat"
        + content
    )


# Other bodies

_GZIP_MEMBER = gzip.compress(b"", mtime=0)
_CODE = pack(CompressedImage(bytes(4), 300, 7, "RGB", b""))


async def _parse_form(body: bytes) -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = Headers({"content-type": "multipart/form-data; boundary=x"})
    await parse_form(headers, chunks(), FormSpec(["image"], ["top_k"], max_files=8))


def _read_form(body: bytes) -> None:
    asyncio.run(_parse_form(body))


def _parts(name: str, content: bytes, more: str = "") -> Callable[[int], bytes]:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
    return lambda n: (head + content + b"\r\n") * n + b"--x--\r\n"


def _part_headers(n: int) -> bytes:
    return _parts("image", b"a")(1).replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * n + b"\r\n", 1)


def _read_json(body: bytes) -> None:
    parse_infer_request(body, None, max_json_bytes=_JSON_LIMIT)


def _tensor_json(data: bytes) -> bytes:
    return (
        b'{"inputs":[{"name":"images","shape":[1,8,8,3],"datatype":"UINT8","data":['
        + data
        + b"]}]}"
    )


def _repeat(item: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[int], bytes]:
    return lambda n: before + item * n + after


def _json_items(before: bytes, item: bytes, after: bytes) -> Callable[[int], bytes]:
    return lambda n: before + b",".join([item] * n) + after


def _json_keys(n: int) -> bytes:
    return json.dumps({f"key{index}": 1 for index in range(n)}).encode()


COSTLY_BODIES = {
    "JPEG, EXIF segments": CostlyBody(_segments(0xE1, b"Exif\0\0" + bytes(13)), _decode, 3000),
    "JPEG, comments": CostlyBody(_segments(0xFE, b""), _decode, 3000),
    "JPEG, pieces of a profile": CostlyBody(
        _segments(0xE2, b"ICC_PROFILE\0\1\1abc"), _decode, 3000
    ),
    "JPEG, quantisation tables": CostlyBody(_segments(0xDB, b""), _decode, 3000),
    "JPEG, frame headers": CostlyBody(
        _segments(0xC0, bytes([8, 0, 16, 0, 16, 1, 1, 17, 0])), _decode, 3000
    ),
    "JPEG, Photoshop resources": CostlyBody(
        _segments(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 500), _decode, 5
    ),
    "JPEG, fill bytes": CostlyBody(_repeat(b"\xff", _JPEG[:2], _JPEG[2:]), _decode, 20_000),
    "JPEG, scans": CostlyBody(_scans, _decode, 500),
    "PNG, unknown chunks": CostlyBody(_chunks(png_chunk(b"abCd", b"")), _decode, 3000),
    "PNG, texts": CostlyBody(_chunks(png_chunk(b"tEXt", b"a\0b")), _decode, 3000),
    "PNG, compressed texts": CostlyBody(
        _chunks(png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000)))), _decode, 500
    ),
    "PNG, empty pixel chunks": CostlyBody(_chunks(png_chunk(b"IDAT", b"")), _decode, 3000),
    "PNG, chunks behind the pixels": CostlyBody(
        _chunks(png_chunk(b"tEXt", b"a\0b"), after_pixels=True), _decode, 3000
    ),
    "PNG, EXIF fields": CostlyBody(
        lambda n: png(4, 4, png_chunk(b"eXIf", _exif_fields(n)), _PNG_PIXELS, _PNG_END),
        _decode,
        3000,
    ),
    "PNG, steps of a profile": CostlyBody(_profile_steps, _decode, 3000),
    "WebP, chunks": CostlyBody(lambda n: _webp(_WEBP[12:] + b"abcd\0\0\0\0" * n), _decode, 5000),
    "WebP, frames": CostlyBody(_webp_frames, _decode, 500),
    "GIF, comments": CostlyBody(
        _repeat(b"!\xfe\1a\0", _GIF[:_GIF_HEADER], _GIF[_GIF_HEADER:]), _decode, 3000
    ),
    "GIF, bytes between blocks": CostlyBody(
        _repeat(b"\0", _GIF[:_GIF_HEADER], _GIF[_GIF_HEADER:]), _decode, 20_000
    ),
    "GIF, frames": CostlyBody(
        _repeat(_GIF[_GIF.index(b",", _GIF_HEADER) : -1], _GIF[:-1], b";"), _decode, 200
    ),
    "TIFF, fields": CostlyBody(_tiff_fields(4, 1), _decode, 3000),
    "TIFF, overlapping values": CostlyBody(_tiff_fields(3, 100), _decode, 3000),
    "TIFF, overlapping texts": CostlyBody(_tiff_fields(2, 20_000), _decode, 3000),
    "TIFF, strips": CostlyBody(_tiff_strips(1, overlapping=False), _decode, 2000),
    "TIFF, overlapping strips": CostlyBody(_tiff_strips(1, overlapping=True), _decode, 2000),
    "TIFF, overlapping deflated strips": CostlyBody(
        _tiff_strips(8, overlapping=True), _decode, 2000
    ),
    "TIFF, pages": CostlyBody(_tiff_pages, _decode, 500),
    "BMP, pixels": CostlyBody(
        lambda n: encoded(Image.new("RGB", (n, 8)), "BMP"), _decode, 2000
    ),
    "AVIF, boxes": CostlyBody(_boxes("AVIF"), _decode, 3000),
    "AVIF, OBUs": CostlyBody(_avif_obus, _decode, 3000),
    "AVIF, frames": CostlyBody(_avif_frames, _decode, 1000),
    "HEIC, boxes": CostlyBody(_boxes("HEIF"), _decode, 3000),
    "HEIC, pictures": CostlyBody(_heic_pictures, _decode, 500),
    "gzip, members": CostlyBody(
        _repeat(_GZIP_MEMBER), lambda data: decode_body(data, "gzip", _BODY_LIMIT), 3000
    ),
    "gzip, one member": CostlyBody(
        lambda n: gzip.compress(np.random.default_rng(0).bytes(n), mtime=0),
        lambda data: decode_body(data, "gzip", _BODY_LIMIT),
        200_000,
    ),
    "BYTES tensor, empty elements": CostlyBody(
        _repeat(bytes(4)), lambda data: from_bytes("x", "BYTES", [len(data) // 4], data), 10_000
    ),
    "FP32 tensor": CostlyBody(
        _repeat(bytes(4)), lambda data: from_bytes("x", "FP32", [len(data) // 4], data), 50_000
    ),
    "JSON, numbers": CostlyBody(
        _json_items(b"[", b"1", b"]"),
        lambda data: from_json("x", "FP32", [data.count(b"1")], json.loads(data)),
        10_000,
    ),
    "JSON, lists of one number": CostlyBody(
        _json_items(b"[", b"[[[1]]]", b"]"),
        lambda data: from_json("x", "FP32", [data.count(b"1"), 1, 1, 1], json.loads(data)),
        3000,
    ),
    "JSON, open brackets": CostlyBody(_repeat(b"["), _read_json, 50_000),
    "JSON, unknown keys": CostlyBody(_json_keys, _read_json, 3000),
    "JSON, inputs": CostlyBody(_json_items(b'{"inputs":[', b"{}", b"]}"), _read_json, 3000),
    "JSON, digits": CostlyBody(lambda n: _tensor_json(b"1" * n), _read_json, 50_000),
    "form, files": CostlyBody(_parts("image", b"a", '; filename="a"'), _read_form, 500),
    "form, fields": CostlyBody(_parts("top_k", b"1"), _read_form, 500),
    "form, headers of a part": CostlyBody(_part_headers, _read_form, 3000),
    "form, half boundaries": CostlyBody(
        lambda n: _parts("image", b"\r\n--" * n, '; filename="a"')(1), _read_form, 3000
    ),
    "code, bytes behind it": CostlyBody(lambda n: _CODE + bytes(n), unpack_code, 50_000),
    "code, whole payload": CostlyBody(
        lambda n: pack(CompressedImage(bytes(4), 300, 7, "RGB", bytes(n))),
        unpack_code,
        50_000,
    ),
    "Accept, elements": CostlyBody(
        _repeat(b"a/b,"), lambda data: negotiate(data.decode(), ["image/png"]), 4000
    ),
}  # fmt: skip
