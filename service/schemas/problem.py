"""The shape of every error, RFC 9457: `application/problem+json`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PROBLEM_JSON", "FieldError", "Problem"]

PROBLEM_JSON = "application/problem+json"


class FieldError(BaseModel):
    """One wrong value among several."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    where: str
    """The parameter or field."""
    message: str
    """What is wrong with it, and what is accepted."""
    got: str | None = None
    """What came, shortened; never a payload."""


class Problem(BaseModel):
    """What was wrong, what came, what is accepted."""

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
    """Identifies the kind of problem; a page that explains it."""
    title: str
    status: int
    """The HTTP status, again."""
    detail: str
    """What happened this time, for a person."""
    instance: str
    """The path that was asked for."""
    request_id: str | None = None
    """As in the answer's header X-Request-ID and in the service's log."""
    errors: list[FieldError] | None = None
    """Of a wrong value: each one."""
    accepted: list[Any] | None = Field(default=None)
    """What would have been accepted, where that is a short list."""
    available: list[Any] | None = Field(default=None)
    """What there is, where something was not found."""
