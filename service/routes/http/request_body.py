"""Reading a request's body: within the size limit, and decompressed.

`BodyLimitMiddleware` limits the time that the body may take.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from starlette.requests import Request

from service.codecs.content_coding import decode_body
from service.errors import ContentTooLarge, InvalidValue, UnsupportedMediaType
from service.routes.http.multipart import Form, FormSpec, parse_form
from service.scheduling.admission import RequestCancelled
from service.state import get_state

URLENCODED = "application/x-www-form-urlencoded"
"""curl's content type for `-d` and `--data-binary`, whatever the data are."""

_MULTIPART_TYPE = "multipart/form-data"
_UNTYPED_BODY_TYPES = ("application/octet-stream", URLENCODED)


@dataclass(frozen=True)
class UploadSpec:
    """The kind of file that a route takes."""

    field: str
    """Name of the file's field in a form."""
    file_kind: str
    media_type: str
    """Content type of a raw body; `x/*` is any of x."""
    example: str

    @property
    def accepted_types(self) -> list[str]:
        return [_MULTIPART_TYPE, self.media_type, "application/octet-stream"]

    def accepts(self, media_type: str) -> bool:
        """Return whether a raw body of type `media_type` may be such a file."""
        return (
            not media_type
            or media_type in _UNTYPED_BODY_TYPES
            or media_type.startswith(self.media_type.rstrip("*"))
        )


IMAGE_UPLOAD = UploadSpec("image", "an image", "image/*", "cat.jpg")
CODE_UPLOAD = UploadSpec("code", "a code", "application/vnd.deepshelf.code", "digit.code")


def media_type_of(request: Request) -> str:
    """Return the body's media type without parameters, in lower case; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_files(
    request: Request,
    *,
    files: Collection[str],
    fields: Collection[str],
    spec: UploadSpec = IMAGE_UPLOAD,
) -> Form:
    """Return the files and fields of a form, or the raw body as the only file.

    `files` and `fields` are the names that a form may hold. The content type decides only between
    form and raw body: what kind of file the bytes are, the decoder finds out.

    Raises:
        ContentTooLarge: the body is over the limit, or holds too many files.
        UnsupportedMediaType: the content type or its coding is not accepted.
        BadRequest: the form is not well formed.
        InvalidValue: the file is missing, or a field is unknown.
        DeadlineExceeded: the body did not arrive in time.
        RequestCancelled: the client disconnected.
    """
    settings, media_type = get_state(request).settings, media_type_of(request)
    if media_type == _MULTIPART_TYPE:
        form_spec = FormSpec(files, fields, settings.max_images, spec.file_kind, spec.example)
        chunks = _iter_decoded(request, settings.max_body_bytes)
        form = await parse_form(request.headers, chunks, form_spec)
        _require_file(form, spec)
        return form
    if not spec.accepts(media_type):
        raise UnsupportedMediaType(
            f"the content type is {media_type[:80]}; accepted: {', '.join(spec.accepted_types)}",
            accepted=spec.accepted_types,
        )
    data = await read_bytes(request, settings.max_body_bytes)
    if not data:
        raise InvalidValue(
            f"the body is empty; send {spec.file_kind} as the whole body (curl --data-binary "
            f"@{spec.example}) or as the form field {spec.field} "
            f"(curl -F {spec.field}=@{spec.example})"
        )
    return Form(files={spec.field: [data]})


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the whole body, decompressed as its Content-Encoding says.

    Raises:
        ContentTooLarge: there are over `limit` bytes, before or after decompression.
        UnsupportedMediaType: the coding is none of gzip and deflate.
        DeadlineExceeded: the body did not arrive in time.
        RequestCancelled: the client disconnected.
    """
    return b"".join([chunk async for chunk in _iter_decoded(request, limit)])


async def _iter_decoded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    coding = request.headers.get("content-encoding")
    if coding is None:
        async for chunk in _iter_raw(request, limit):
            yield chunk
        return
    body = b"".join([chunk async for chunk in _iter_raw(request, limit)])
    yield await asyncio.to_thread(decode_body, body, coding, limit)


async def _iter_raw(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise ContentTooLarge(f"the body has {declared} bytes; the limit is {limit}", limit=limit)
    received_bytes, more_body = 0, True
    while more_body:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestCancelled
        chunk: bytes = message.get("body", b"")
        received_bytes += len(chunk)
        if received_bytes > limit:
            raise ContentTooLarge(f"the body is over the limit of {limit} bytes", limit=limit)
        if chunk:
            yield chunk
        more_body = message.get("more_body", False)


def _require_file(form: Form, spec: UploadSpec) -> None:
    if spec.field not in form.files:
        received = ", ".join([*form.files, *form.fields]) or "no field at all"
        raise InvalidValue(
            f"the form has no field {spec.field}; it has: {received}", accepted=[spec.field]
        )
