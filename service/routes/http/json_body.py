"""Requests as JSON bodies."""

import codecs
import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.errors import BadRequest, UnsupportedMediaType
from service.routes.http.problems import invalid_parameters
from service.routes.http.request_body import URLENCODED, media_type_of, read_bytes
from service.schemas.base import RequestParams

ModelT = TypeVar("ModelT", bound=BaseModel)
ParamsT = TypeVar("ParamsT", bound=RequestParams)

JSON_BODY_DIVISOR = 4
"""JSON takes several times its size as Python objects, so it may be a quarter of a body."""
_ESCAPED_CHAR_BYTES = 12
"""A character outside the basic plane, escaped as two surrogates."""
_JSON_OVERHEAD_BYTES = 16 << 10

_ACCEPTED_TYPES = ("application/json", "text/json", URLENCODED, "text/plain")
"""Includes curl's default for `-d`, which labels JSON as a URL-encoded form."""


def max_json_bytes(chars: int) -> int:
    """Return the size of a JSON body whose texts have up to `chars` characters."""
    return _JSON_OVERHEAD_BYTES + _ESCAPED_CHAR_BYTES * chars


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
            raise _not_json(body, first["ctx"]["error"]) from error
        raise invalid_parameters(error, schema, "body") from error


def _not_json(body: bytes, reason: str) -> BadRequest:
    # A file that PowerShell 5 writes is in UTF-16.
    encoding = json.detect_encoding(body)
    if encoding.startswith(("utf-16", "utf-32")):
        reason = f"it is in {encoding.upper()}, and JSON is in UTF-8"
    return BadRequest(f"the body is not JSON: {reason}")


def json_request_body(
    body_type: type[BaseModel], other_content: Mapping[str, object] | None = None
) -> dict[str, dict[str, object]]:
    """Return the `openapi_extra` of an operation that takes `body_type` as JSON."""
    schema = body_type.model_json_schema(ref_template="#/components/schemas/{model}")
    content = {"application/json": {"schema": schema}, **(other_content or {})}
    return {"requestBody": {"required": True, "content": content}}
