"""OpenAPI descriptions of this protocol's errors and parameters."""

from typing import Annotated, Any

from fastapi import Path

from service.schemas.v2 import ProtocolError

__all__ = ["TAG", "ModelName", "ModelVersion", "error_responses"]

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
    400: "Something in the question is wrong; the message says what, and what is accepted",
    401: "The administrator's key is needed: none came, or a wrong one",
    403: "The service has no administrator's key, so nobody may do this",
    404: "There is no such model or version; the message says what there is",
    413: "The body is over a limit, as it came or unpacked",
    415: "The Content-Encoding is none that is accepted",
    500: "Something unexpected; it was logged under the request's id",
    503: "Every place in the queue is taken, or the model is not ready",
    504: "The answer was not ready in time",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may end in these."""
    return {
        status: {
            "model": ProtocolError,
            "description": _STATUS_DESCRIPTIONS[status],
            "content": {"application/json": {"example": {"error": _STATUS_DESCRIPTIONS[status]}}},
        }
        for status in statuses
    }
