"""Base classes of requests and responses."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from models_store.manifest import Precision
from service.observability.timing import timed

__all__ = [
    "ModelSelector",
    "OptionalPrecision",
    "PrecisionSelector",
    "RequestParams",
    "ResponseModel",
]


class ResponseModel(BaseModel):
    """Part of a response."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    @timed("encode")
    def to_json(self) -> bytes:
        """Return UTF-8 JSON without the fields that were not set."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


class RequestParams(BaseModel):
    """Query parameters, or fields of a form or of JSON. Unknown names are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


OptionalPrecision = Annotated[Precision, Field(examples=["int8"])] | None


class ModelSelector(RequestParams):
    """Selects a model."""

    model: Annotated[str, Field(max_length=64, examples=["resnet-cifar10"])] | None = None
    """Name of a model, as `/v1/models` lists it. Default: the task's default model."""

    version: Annotated[int, Field(ge=1, le=999_999_999, examples=[1])] | None = None
    """Version of that model. Default: the highest that is ready."""


class PrecisionSelector(ModelSelector):
    """Selects a model and the precision of its graphs."""

    precision: OptionalPrecision = None
    """Precision of the graph: `int8` if the model has been quantised. Default: the one with the
    better result, which the model's card names."""
