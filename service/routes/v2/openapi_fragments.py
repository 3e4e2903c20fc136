"""OpenAPI descriptions of this protocol's errors and parameters."""

from typing import Annotated, Any

from fastapi import Path

from service.schemas.v2 import ProtocolError

TAG = "open inference protocol"

ModelName = Annotated[
    str,
    Path(
        max_length=96,
        description="As the index lists it: a published name, or `name.role` for one of its graphs",
        examples=["resnet-cifar10"],
    ),
]
ModelVersion = Annotated[
    str, Path(max_length=20, description="A version that is ready", examples=["1"])
]

_STATUS_DESCRIPTIONS = {
    400: "A value is wrong; the message says which, and what is accepted",
    401: "The request needs an administrator's key: it has none, or an unknown one",
    403: "The key is not an administrator's, or the service has no administrator's key",
    404: "There is no such model or version; the message lists those that exist",
    413: "The body exceeds a limit, before or after decompression",
    415: "The Content-Encoding is not supported",
    500: "Unexpected error; it is logged under the request's id",
    503: "The queue is full, or the model is not ready",
    504: "The response was not ready in time",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation that can have these error statuses."""
    return {
        status: {
            "model": ProtocolError,
            "description": _STATUS_DESCRIPTIONS[status],
            "content": {"application/json": {"example": {"error": _STATUS_DESCRIPTIONS[status]}}},
        }
        for status in statuses
    }
