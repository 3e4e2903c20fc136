"""OpenAPI descriptions of bodies and errors that several routes share."""

from typing import Any

from service.errors import ServiceError
from service.routes.http.parameters import form_field_schemas, query_parameters
from service.schemas.base import RequestParams
from service.schemas.problem import PROBLEM_JSON

__all__ = [
    "MODEL_HEADERS",
    "PROBLEM_REF",
    "UPLOAD_STATUSES",
    "code_upload",
    "header_object",
    "image_upload",
    "problem_responses",
]

PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}

UPLOAD_STATUSES = (400, 404, 406, 413, 415, 422, 500, 503, 504)
"""Error statuses of routes that run a model on images."""

_BINARY = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_STATUS_DESCRIPTIONS = {
    400: "The request is not well formed, such as a form that was cut off",
    401: "A key is needed: none came, or one that is unknown",
    403: "This is for the administrator",
    404: "There is no such model or version, or it does something else; `available` lists names",
    406: "The answer has no media type that `Accept` allows; `accepted` lists them",
    413: "The body, a picture or the number of pictures is over a limit",
    415: "The content is nothing of a kind that is accepted",
    422: "A value is wrong, or what came is damaged; `errors` lists each value",
    429: "This key has asked too often, or has too much under way; `Retry-After` says when to come "
    "back",
    500: "Something unexpected; it was logged under the request's id, and tells nothing more",
    503: "Every place in the queue is taken (then `Retry-After` says when to come back), "
    "or the model is not ready; `detail` says why",
    504: "The answer was not ready in time",
}


def header_object(description: str, json_type: str) -> dict[str, Any]:
    """A header of an answer; `json_type` is JSON Schema's name of what stands in it."""
    return {"description": description, "schema": {"type": json_type}}


MODEL_HEADERS = {
    "X-DeepShelf-Model": header_object("Which model answered", "string"),
    "X-DeepShelf-Version": header_object("Which version of it", "integer"),
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may end in these."""
    return {status: _problem_response(status) for status in statuses}


def _problem_response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _STATUS_DESCRIPTIONS[status],
        "content": {PROBLEM_JSON: {"schema": PROBLEM_REF, "example": _problem_example(status)}},
    }
    if status in (429, 503):
        response["headers"] = {
            "Retry-After": header_object(
                "Seconds to wait; of a 503, only when the queue is full", "integer"
            )
        }
    return response


def _problem_example(status: int) -> dict[str, Any]:
    error_type = next(
        (error_type for error_type in _error_types() if error_type.status == status), None
    )
    slug, title = (
        (error_type.slug, error_type.title) if error_type else ("internal", "Internal error")
    )
    return {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": _STATUS_DESCRIPTIONS[status].partition(";")[0],
        "instance": "/v1/classify",
        "request_id": "0f8c1b2d3e4f40519c2a7b6d5e4f3a21",
    }


def _error_types() -> list[type[ServiceError]]:
    return ServiceError.__subclasses__()


def image_upload(
    params: type[RequestParams], *, with_reference: bool = False, multiple: bool = True
) -> dict[str, Any]:
    """The `openapi_extra` of an operation that takes images, as a form or as the whole body.

    `params` are its parameters, in the query or in the form.
    """
    fields = form_field_schemas(params)
    image_array = {"type": "array", "items": _BINARY, "minItems": 1}
    image_schema = image_array if multiple else _BINARY
    repeat_hint = "; repeat the field for several" if multiple else ""
    properties: dict[str, Any] = {
        "image": {**image_schema, "description": f"A picture file{repeat_hint}"}
    }
    if with_reference:
        properties["reference"] = {
            **image_array,
            "description": "The clean picture, one for each image; the answer is compared with it",
        }
    form = {"type": "object", "required": ["image"], "properties": {**properties, **fields}}
    parts = {name: {"contentType": "image/*"} for name in properties}
    return {
        "parameters": query_parameters(params),
        "requestBody": {
            "required": True,
            "description": "Pictures as a form (`curl -F image=@cat.jpg`), or one picture as the "
            "whole body (`curl --data-binary @cat.jpg`), which is the fastest way. JPEG, PNG, "
            "WebP, GIF, BMP, TIFF …: what the bytes are is decided by looking at them, whatever "
            "the content type says. EXIF orientation is respected.",
            "content": {
                "multipart/form-data": {"schema": form, "encoding": parts},
                "image/*": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
                "application/x-www-form-urlencoded": {
                    "schema": {
                        **_BINARY,
                        "description": "A picture too: curl's --data-binary sends this type "
                        "unless it is told another.",
                    }
                },
            },
        },
    }


def code_upload(params: type[RequestParams]) -> dict[str, Any]:
    """The `openapi_extra` of an operation that takes a code, as a form or as the whole body."""
    code = {**_BINARY, "description": "What `/v1/compress` answers"}
    form = {"type": "object", "required": ["code"], "properties": {"code": code}}
    return {
        "parameters": query_parameters(params),
        "requestBody": {
            "required": True,
            "description": "A code as the whole body (`curl --data-binary @digit.code`) or as a "
            "form (`curl -F code=@digit.code`).",
            "content": {
                "application/vnd.deepshelf.code": {"schema": code},
                "application/octet-stream": {"schema": code},
                "application/x-www-form-urlencoded": {
                    "schema": {
                        **_BINARY,
                        "description": "A code too: curl's --data-binary sends this type unless "
                        "it is told another.",
                    }
                },
                "multipart/form-data": {"schema": form},
            },
        },
    }
