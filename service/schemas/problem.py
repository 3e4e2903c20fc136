"""The JSON document of every error (RFC 9457, `application/problem+json`)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_JSON = "application/problem+json"


class FieldError(BaseModel):
    """One of several invalid values."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    where: str
    """The parameter or field."""
    message: str
    """The problem with the value, and what is accepted."""
    got: str | None = None
    """The received value, truncated; never a payload."""


class Problem(BaseModel):
    """A problem document (RFC 9457): the error, the received value and the accepted values."""

    model_config = ConfigDict(
        extra="allow",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "there is no model 'resnet'; models for classification: "
                    "resnet-cifar10",
                    "instance": "/v1/classify",
                    "request_id": "0f8c1b2d3e4f40519c2a7b6d5e4f3a21",
                    "available": ["resnet-cifar10"],
                }
            ]
        },
    )

    type: str
    """Address of a page that explains this type of problem."""
    title: str
    status: int
    """The HTTP status code."""
    detail: str
    """Explanation of this occurrence, for people."""
    instance: str
    """Path of the request."""
    request_id: str | None = None
    """Request id, as in the header X-Request-ID and in the log."""
    errors: list[FieldError] | None = None
    """One entry per invalid value."""
    accepted: list[Any] | None = Field(default=None)
    """Accepted values, if the list is short."""
    available: list[Any] | None = Field(default=None)
    """Existing names, if something was not found."""
