"""OpenAPI descriptions of bodies and errors that several routes share."""

from typing import Any

from service.errors import ServiceError
from service.routes.http.parameters import form_field_schemas, query_parameters
from service.schemas.base import RequestParams
from service.schemas.problem import PROBLEM_JSON

PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}

UPLOAD_STATUSES = (400, 404, 406, 413, 415, 422, 500, 503, 504)
"""Error statuses of routes that run a model on images."""

_BINARY = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_STATUS_DESCRIPTIONS = {
    400: "The request is not well formed, such as a form that was cut off",
    401: "The request needs a key: it has none, or an unknown one",
    403: "The request needs an administrator's key",
    404: "There is no such model or version, or it has another task; `available` lists names",
    406: "`Accept` allows no available media type; `accepted` lists them",
    413: "The body, an image or the number of images exceeds a limit",
    415: "This kind of content is not supported",
    422: "A value is wrong, or a file is damaged; `errors` lists wrong values",
    429: "The rate limit or concurrency limit of this key is exceeded; `Retry-After` says when to "
    "retry",
    500: "Unexpected error; it is logged under the request's id",
    503: "The queue is full (then `Retry-After` says when to retry), or the model is not ready; "
    "`detail` says why",
    504: "The response was not ready in time",
}


def header_object(description: str, json_type: str) -> dict[str, Any]:
    """Return a response header's object; `json_type` is the JSON Schema type of its value."""
    return {"description": description, "schema": {"type": json_type}}


MODEL_HEADERS = {
    "X-DeepShelf-Model": header_object("The model that was used", "string"),
    "X-DeepShelf-Version": header_object("Its version", "integer"),
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that can raise errors with these statuses.

    The document shows them in the format of the operation's protocol, see `format_errors`.
    """
    return {status: _problem_response(status) for status in statuses}


def _problem_response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _STATUS_DESCRIPTIONS[status],
        "content": {PROBLEM_JSON: {"schema": PROBLEM_REF, "example": _problem_example(status)}},
    }
    if status in (429, 503):
        response["headers"] = {
            "Retry-After": header_object(
                "Seconds to wait; with a 503, only if the queue is full", "integer"
            )
        }
    return response


def _problem_example(status: int) -> dict[str, Any]:
    error_type = next(kind for kind in ServiceError.__subclasses__() if kind.status == status)
    return {
        "type": f"/problems/{error_type.slug}",
        "title": error_type.title,
        "status": status,
        "detail": _STATUS_DESCRIPTIONS[status].partition(";")[0],
        "instance": "/v1/classify",
        "request_id": "0f8c1b2d3e4f40519c2a7b6d5e4f3a21",
    }


def image_upload(
    params: type[RequestParams], *, with_reference: bool = False, multiple: bool = True
) -> dict[str, Any]:
    """Return the `openapi_extra` of an operation that takes images, in a form or as raw body.

    `params` are its parameters, in the query or in the form.
    """
    image_array = {"type": "array", "items": _BINARY, "minItems": 1}
    image_schema = image_array if multiple else _BINARY
    repeat_hint = "; repeat the field for several" if multiple else ""
    files: dict[str, Any] = {
        "image": {**image_schema, "description": f"An image file{repeat_hint}"}
    }
    if with_reference:
        files["reference"] = {
            **image_array,
            "description": "The clean image, one per `image`, to compare the result with",
        }
    form = {
        "type": "object",
        "required": ["image"],
        "properties": {**files, **form_field_schemas(params)},
    }
    description = (
        "Images in a form (`curl -F image=@cat.jpg`), or one image as the whole body "
        "(`curl --data-binary @cat.jpg`), which is the fastest way. JPEG, PNG, WebP, AVIF, HEIC, "
        "GIF, BMP or TIFF: the format is detected from the bytes, not from the content type. EXIF "
        "orientation is respected."
    )
    encoding = {name: {"contentType": "image/*"} for name in files}
    content = {
        "multipart/form-data": {"schema": form, "encoding": encoding},
        **_raw_content("image/*", _BINARY, "an image"),
    }
    return _upload(params, description, content)


def code_upload(params: type[RequestParams]) -> dict[str, Any]:
    """Return the `openapi_extra` of an operation that takes a code, in a form or as raw body."""
    code = {**_BINARY, "description": "A code from `/v1/compress`"}
    form = {"type": "object", "required": ["code"], "properties": {"code": code}}
    description = (
        "A code as the whole body (`curl --data-binary @digit.code`) or as a form "
        "(`curl -F code=@digit.code`)."
    )
    content = {
        **_raw_content("application/vnd.deepshelf.code", code, "a code"),
        "multipart/form-data": {"schema": form},
    }
    return _upload(params, description, content)


def _raw_content(media_type: str, schema: dict[str, Any], kind: str) -> dict[str, Any]:
    curl_default = f"Also {kind}: curl's --data-binary sends this type by default."
    return {
        media_type: {"schema": schema},
        "application/octet-stream": {"schema": schema},
        "application/x-www-form-urlencoded": {"schema": {**_BINARY, "description": curl_default}},
    }


def _upload(
    params: type[RequestParams], description: str, content: dict[str, Any]
) -> dict[str, Any]:
    return {
        "parameters": query_parameters(params),
        "requestBody": {"required": True, "description": description, "content": content},
    }
