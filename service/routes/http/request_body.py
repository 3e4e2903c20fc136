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

from service.errors import DeadlineExceeded, Invalid, TooLarge, Unsupported
from service.routes.http.multipart import Accepted, Form, FormParser
from service.scheduling.admission import RequestCancelled
from service.state import running

__all__ = ["CODE", "PICTURE", "Upload", "body_chunks", "read_body"]

_FORM = "multipart/form-data"
_RAW = ("application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Upload:
    """The kind of file that a route is about."""

    field: str
    """Its name in a form."""
    noun: str
    media_type: str
    """Its content type as a raw body; `x/*` is any of x."""
    example: str

    @property
    def accepted(self) -> list[str]:
        return [_FORM, self.media_type, "application/octet-stream"]

    def takes(self, kind: str) -> bool:
        """Whether a raw body that says it is `kind` may be one."""
        return not kind or kind in _RAW or kind.startswith(self.media_type.rstrip("*"))


PICTURE = Upload("image", "picture", "image/*", "cat.jpg")
CODE = Upload("code", "code", "application/vnd.deepshelf.code", "digit.code")


async def read_body(
    request: Request,
    arrived: float,
    *,
    files: Collection[str],
    fields: Collection[str],
    upload: Upload = PICTURE,
) -> Form:
    """The files and parameters that came, with at least one of `upload`; a raw body is one.

    Its content type is a hint at most: curl's --data-binary says x-www-form-urlencoded. What the
    bytes are is decided by looking at them.

    `files` and `fields` are the names that a form may hold; `arrived` is when the request did.

    Raises:
        TooLarge: the body is over the limit, or holds too many pictures.
        Unsupported: the content type is none that holds such files.
        BadRequest: a form that is not well formed.
        Invalid: a form without such a file, or with a name that means nothing here; an empty body.
        DeadlineExceeded: it did not arrive in time. Abandoned: the client left.
    """
    service = running(request)
    content_type, parameters = _content_type(request.headers.get("content-type"))
    kind = content_type.decode("latin-1").lower()
    chunks = body_chunks(request, service.settings.max_body_bytes)
    try:
        async with asyncio.timeout(service.pool.gate.remaining_s(arrived)):
            if kind == _FORM:
                accepted = Accepted(
                    files,
                    fields,
                    service.settings.max_images,
                    upload.field,
                    upload.noun,
                    upload.example,
                )
                parser = FormParser(parameters.get(b"boundary", b""), accepted)
                return await _form(chunks, parser, upload)
            if not upload.takes(kind):
                raise Unsupported(
                    f"the content type is {kind[:80]}; accepted are {', '.join(upload.accepted)}",
                    accepted=upload.accepted,
                )
            return await _raw(chunks, upload)
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None


@lru_cache(maxsize=64)
def _plain_type(value: str | None) -> tuple[bytes, dict[bytes, bytes]]:
    return parse_options_header(value)


def _content_type(value: str | None) -> tuple[bytes, dict[bytes, bytes]]:
    # A form's boundary is new each time: nothing to keep.
    kept = value is None or (len(value) < 64 and ";" not in value)
    return _plain_type(value) if kept else parse_options_header(value)


async def _raw(chunks: AsyncIterator[bytes], upload: Upload) -> Form:
    data = b"".join([chunk async for chunk in chunks])
    if not data:
        raise Invalid(
            f"the body is empty; accepted is a {upload.noun} as the whole body (curl --data-binary "
            f"@{upload.example}) or as the form field {upload.field} "
            f"(curl -F {upload.field}=@{upload.example})"
        )
    return Form(files={upload.field: [data]})


async def _form(chunks: AsyncIterator[bytes], parser: FormParser, upload: Upload) -> Form:
    async for chunk in chunks:
        parser.write(chunk)
    form = parser.finish()
    if upload.field not in form.files:
        came = ", ".join([*form.files, *form.fields]) or "no field at all"
        raise Invalid(
            f"the form has no field {upload.field}; it has: {came}", accepted=[upload.field]
        )
    return form


async def body_chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        TooLarge: it is over `limit` bytes. Abandoned: the client left.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the body has {declared} bytes; accepted are {limit}", limit=limit)
    received, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestCancelled
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise TooLarge(f"the body has over {limit} bytes; accepted are {limit}", limit=limit)
        if chunk:
            yield chunk
        more = message.get("more_body", False)
