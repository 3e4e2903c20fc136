"""Reading a request's body: raw or multipart, never more of it than is allowed.

Pieces are parsed as they arrive and kept in memory, bounded by the body limit: no temporary files,
no thread hops, and a body that is too long is refused at the byte where it becomes so.
"""

import asyncio
from collections.abc import AsyncIterator, Collection

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.errors import DeadlineExceeded, Invalid, TooLarge, Unsupported
from service.routes.multipart import Accepted, Form, FormParser
from service.scheduling.admission import Abandoned
from service.state import running

__all__ = ["read_body"]

_FORM = "multipart/form-data"
_RAW = ("application/octet-stream", "application/x-www-form-urlencoded")
_ACCEPTED = ["multipart/form-data", "image/*", "application/octet-stream"]


async def read_body(
    request: Request, arrived: float, *, files: Collection[str], fields: Collection[str]
) -> Form:
    """The pictures and parameters that came, with at least one `image`; a raw body is one.

    Its content type is a hint at most: curl's --data-binary says x-www-form-urlencoded. What the
    bytes are is decided by looking at them.

    `files` and `fields` are the names that a form may hold; `arrived` is when the request did.

    Raises:
        TooLarge: the body is over the limit, or holds too many pictures.
        Unsupported: the content type is none that holds pictures.
        BadRequest: a form that is not well formed.
        Invalid: a form without `image`, or with a name that means nothing here; an empty body.
        DeadlineExceeded: it did not arrive in time. Abandoned: the client left.
    """
    service = running(request)
    content_type, parameters = parse_options_header(request.headers.get("content-type"))
    kind = content_type.decode("latin-1").lower()
    chunks = _chunks(request, service.settings.max_body_bytes)
    try:
        async with asyncio.timeout(service.pool.gate.remaining_s(arrived)):
            if kind == _FORM:
                accepted = Accepted(files, fields, service.settings.max_images)
                return await _form(chunks, FormParser(parameters.get(b"boundary", b""), accepted))
            if kind and kind not in _RAW and not kind.startswith("image/"):
                raise Unsupported(
                    f"the content type is {kind[:80]}; accepted are {', '.join(_ACCEPTED)}",
                    accepted=_ACCEPTED,
                )
            return await _raw(chunks)
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None


async def _raw(chunks: AsyncIterator[bytes]) -> Form:
    data = b"".join([chunk async for chunk in chunks])
    if not data:
        raise Invalid(
            "the body is empty; accepted is a picture as the whole body (curl --data-binary "
            "@cat.jpg) or as the form field image (curl -F image=@cat.jpg)"
        )
    return Form(files={"image": [data]})


async def _form(chunks: AsyncIterator[bytes], parser: FormParser) -> Form:
    async for chunk in chunks:
        parser.write(chunk)
    form = parser.finish()
    if "image" not in form.files:
        came = ", ".join([*form.files, *form.fields]) or "no field at all"
        raise Invalid(f"the form has no field image; it has: {came}", accepted=["image"])
    return form


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the body has {declared} bytes; accepted are {limit}", limit=limit)
    received, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Abandoned
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise TooLarge(f"the body has over {limit} bytes; accepted are {limit}", limit=limit)
        if chunk:
            yield chunk
        more = message.get("more_body", False)
