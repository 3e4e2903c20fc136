"""A question as JSON: read with a limit, parsed once, checked by its schema."""

import asyncio
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from service.errors import BadRequest, DeadlineExceeded, Unsupported
from service.routes.http.request_body import body_chunks
from service.schemas.base import Options
from service.state import running

__all__ = ["json_body", "read_json"]

OptionsT = TypeVar("OptionsT", bound=Options)

_ACCEPTED = ("application/json", "text/json", "application/x-www-form-urlencoded", "text/plain")
"""curl -d says x-www-form-urlencoded where nothing is said; what it sends is JSON all the same."""


async def read_json(
    request: Request, arrived: float, options: type[OptionsT], limit: int
) -> OptionsT:
    """The body as `options`, at most `limit` bytes of it.

    Raises:
        Unsupported: the content type says that it is something else.
        TooLarge: it is over the limit. BadRequest: it is not JSON.
        RequestValidationError: a field is wrong; names each.
        DeadlineExceeded: it did not arrive in time. Abandoned: the client left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in _ACCEPTED and not kind.endswith("+json"):
        raise Unsupported(
            f"the content type is {kind[:80]}; accepted is application/json",
            accepted=["application/json"],
        )
    try:
        async with asyncio.timeout(running(request).decoder.gate.remaining_s(arrived)):
            body = b"".join([chunk async for chunk in body_chunks(request, limit)])
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None
    try:
        return options.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise BadRequest(f"the body is not JSON: {found[0]['msg']}") from error
        located = [{**one, "loc": ("body", *one["loc"])} for one in found]
        raise RequestValidationError(located) from error


def json_body(options: type[Options]) -> dict[str, object]:
    """The `openapi_extra` of an operation that takes `options` as JSON."""
    schema = options.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
