"""A question as JSON: read with a limit, parsed once, checked by its schema."""

import asyncio
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from service.errors import BadRequest, DeadlineExceeded, UnsupportedMediaType
from service.routes.http.request_body import iter_body
from service.schemas.base import RequestParams
from service.state import get_state

__all__ = ["json_request_body", "read_json_body"]

ParamsT = TypeVar("ParamsT", bound=RequestParams)

_ACCEPTED_TYPES = (
    "application/json",
    "text/json",
    "application/x-www-form-urlencoded",
    "text/plain",
)
"""curl -d says x-www-form-urlencoded where nothing is said; what it sends is JSON all the same."""


async def read_json_body(
    request: Request, arrival_time_s: float, params_type: type[ParamsT], limit: int
) -> ParamsT:
    """The body as `params_type`, at most `limit` bytes of it.

    Raises:
        Unsupported: the content type says that it is something else.
        TooLarge: it is over the limit. BadRequest: it is not JSON.
        RequestValidationError: a field is wrong; names each.
        DeadlineExceeded: it did not arrive in time. Abandoned: the client left.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in _ACCEPTED_TYPES and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"the content type is {media_type[:80]}; accepted is application/json",
            accepted=["application/json"],
        )
    try:
        async with asyncio.timeout(
            get_state(request).scheduler.admission.remaining_s(arrival_time_s)
        ):
            body = b"".join([chunk async for chunk in iter_body(request, limit)])
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive in time") from None
    try:
        return params_type.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        if errors[0]["type"] == "json_invalid":
            raise BadRequest(f"the body is not JSON: {errors[0]['msg']}") from error
        located = [{**item, "loc": ("body", *item["loc"])} for item in errors]
        raise RequestValidationError(located) from error


def json_request_body(params_type: type[RequestParams]) -> dict[str, object]:
    """The `openapi_extra` of an operation that takes `params_type` as JSON."""
    schema = params_type.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
