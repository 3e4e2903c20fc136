"""Requests as JSON bodies."""

import codecs
import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.errors import BadRequest, UnsupportedMediaType
from service.routes.http.problems import invalid_parameters
from service.routes.http.request_body import URLENCODED, media_type_of, read_bytes
from service.schemas.base import RequestParams

ModelT = TypeVar("ModelT", bound=BaseModel)
ParamsT = TypeVar("ParamsT", bound=RequestParams)

_ACCEPTED_TYPES = ("application/json", "text/json", URLENCODED, "text/plain")
"""Includes curl's default for `-d`, which labels JSON as a URL-encoded form."""


async def read_json_body(request: Request, params_type: type[ParamsT], limit: int) -> ParamsT:
    """Return the body, at most `limit` bytes of JSON, as `params_type`.

    Raises:
        UnsupportedMediaType: the content type is not JSON's.
        BadRequest: the body is not JSON.
        InvalidValue: fields are wrong; names each.
        ContentTooLarge, DeadlineExceeded, RequestCancelled: see `read_bytes`.
    """
    return parse_json(await read_json_bytes(request, limit), params_type)


async def read_json_bytes(request: Request, limit: int) -> bytes:
    """Return an unparsed JSON body, so that a compute thread can parse it.

    Raises:
        UnsupportedMediaType: the content type is not JSON's.
        ContentTooLarge, DeadlineExceeded, RequestCancelled: see `read_bytes`.
    """
    media_type = media_type_of(request)
    if media_type and media_type not in _ACCEPTED_TYPES and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"the content type is {media_type[:80]}; accepted: application/json",
            accepted=["application/json"],
        )
    return await read_bytes(request, limit)


def parse_json(body: bytes, schema: type[ModelT]) -> ModelT:
    """Validate `body`, JSON in UTF-8 with or without a byte order mark.

    Raises:
        BadRequest: the body is not JSON.
        InvalidValue: fields are wrong; names each.
    """
    try:
        return schema.model_validate_json(body.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False)
        if first["type"] == "json_invalid":
            raise not_json(body, first["ctx"]["error"]) from error
        raise invalid_parameters(error, schema, "body") from error


def not_json(body: bytes, reason: str) -> BadRequest:
    """Return the error of a body that the parser rejects for `reason`."""
    # A file that PowerShell 5 writes is in UTF-16.
    encoding = json.detect_encoding(body)
    if encoding.startswith(("utf-16", "utf-32")):
        reason = f"it is in {encoding.upper()}, and JSON is in UTF-8"
    return BadRequest(f"the body is not JSON: {reason}")


def json_request_body(params_type: type[RequestParams]) -> dict[str, object]:
    """Return the `openapi_extra` of an operation that takes `params_type` as JSON."""
    schema = params_type.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
