"""Reading a request's body: raw or multipart, never more of it than is allowed.

Pieces are parsed as they arrive and kept in memory, bounded by the body limit: no temporary files,
no thread hops, and a body that is too long is refused at the byte where it becomes so.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from functools import lru_cache

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.errors import ContentTooLarge, DeadlineExceeded, InvalidValue, UnsupportedMediaType
from service.routes.http.multipart import Form, FormParser, FormSpec
from service.scheduling.admission import RequestCancelled
from service.state import get_state

__all__ = ["CODE_UPLOAD", "IMAGE_UPLOAD", "UploadSpec", "iter_body", "read_body"]

_MULTIPART_TYPE = "multipart/form-data"
_UNTYPED_BODY_TYPES = ("application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class UploadSpec:
    """The kind of file that a route is about."""

    field: str
    """Its name in a form."""
    file_kind: str
    media_type: str
    """Its content type as a raw body; `x/*` is any of x."""
    example: str

    @property
    def accepted_types(self) -> list[str]:
        return [_MULTIPART_TYPE, self.media_type, "application/octet-stream"]

    def accepts(self, media_type: str) -> bool:
        """Whether a raw body that says it is `media_type` may be one."""
        return (
            not media_type
            or media_type in _UNTYPED_BODY_TYPES
            or media_type.startswith(self.media_type.rstrip("*"))
        )


IMAGE_UPLOAD = UploadSpec("image", "picture", "image/*", "cat.jpg")
CODE_UPLOAD = UploadSpec("code", "code", "application/vnd.deepshelf.code", "digit.code")


async def read_body(
    request: Request,
    arrival_time_s: float,
    *,
    files: Collection[str],
    fields: Collection[str],
    spec: UploadSpec = IMAGE_UPLOAD,
) -> Form:
    """The files and parameters that came, with at least one of `upload`; a raw body is one.

    Its content type is a hint at most: curl's --data-binary says x-www-form-urlencoded. What the
    bytes are is decided by looking at them.

    `files` and `fields` are the names that a form may hold; `arrival_time_s` is when the request
    did.

    Raises:
        TooLarge: the body is over the limit, or holds too many pictures.
        Unsupported: the content type is none that holds such files.
        BadRequest: a form that is not well formed.
        Invalid: a form without such a file, or with a name that means nothing here; an empty body.
        DeadlineExceeded: it did not arrive in time. Abandoned: the client left.
    """
    state = get_state(request)
    content_type, parameters = _parse_content_type(request.headers.get("content-type"))
    media_type = content_type.decode("latin-1").lower()
    chunks = iter_body(request, state.settings.max_body_bytes)
    try:
        async with asyncio.timeout(state.pool.admission.remaining_s(arrival_time_s)):
            if media_type == _MULTIPART_TYPE:
                form_spec = FormSpec(
                    files,
                    fields,
                    state.settings.max_images,
                    spec.field,
                    spec.file_kind,
                    spec.example,
                )
                parser = FormParser(parameters.get(b"boundary", b""), form_spec)
                return await _read_form(chunks, parser, spec)
            if not spec.accepts(media_type):
                raise UnsupportedMediaType(
                    f"the content type is {media_type[:80]}; accepted are "
                    f"{', '.join(spec.accepted_types)}",
                    accepted=spec.accepted_types,
                )
            return await _read_raw(chunks, spec)
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None


@lru_cache(maxsize=64)
def _parse_options_cached(value: str | None) -> tuple[bytes, dict[bytes, bytes]]:
    return parse_options_header(value)


def _parse_content_type(value: str | None) -> tuple[bytes, dict[bytes, bytes]]:
    # A form's boundary is new each time: nothing to keep.
    cacheable = value is None or (len(value) < 64 and ";" not in value)
    return _parse_options_cached(value) if cacheable else parse_options_header(value)


async def _read_raw(chunks: AsyncIterator[bytes], spec: UploadSpec) -> Form:
    data = b"".join([chunk async for chunk in chunks])
    if not data:
        raise InvalidValue(
            f"the body is empty; accepted is a {spec.file_kind} as the whole body (curl "
            "--data-binary "
            f"@{spec.example}) or as the form field {spec.field} "
            f"(curl -F {spec.field}=@{spec.example})"
        )
    return Form(files={spec.field: [data]})


async def _read_form(chunks: AsyncIterator[bytes], parser: FormParser, spec: UploadSpec) -> Form:
    async for chunk in chunks:
        parser.write(chunk)
    form = parser.finish()
    if spec.field not in form.files:
        received = ", ".join([*form.files, *form.fields]) or "no field at all"
        raise InvalidValue(
            f"the form has no field {spec.field}; it has: {received}", accepted=[spec.field]
        )
    return form


async def iter_body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        TooLarge: it is over `limit` bytes. Abandoned: the client left.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise ContentTooLarge(f"the body has {declared} bytes; accepted are {limit}", limit=limit)
    received, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestCancelled
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise ContentTooLarge(
                f"the body has over {limit} bytes; accepted are {limit}", limit=limit
            )
        if chunk:
            yield chunk
        more = message.get("more_body", False)
