"""Base classes of requests and responses."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from models_store.manifest import Precision
from service.observability.timing import timed


def example(document: Mapping[str, Any]) -> ConfigDict:
    """Return a model's configuration with its example for the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [dict(document)]})


class ResponseModel(BaseModel):
    """Part of a response."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    @timed("encode")
    def to_json(self) -> bytes:
        """Return UTF-8 JSON without the fields that were not set."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


class ModelResponse(ResponseModel):
    """A response that names the model."""

    model: str
    version: int


def _json_schema(media_type: str) -> WithJsonSchema:
    document = {"contentEncoding": "base64", "contentMediaType": media_type, "type": "string"}
    return WithJsonSchema(document)


_TO_BASE64 = PlainSerializer(lambda data: b64encode(data).decode("ascii"))
Base64Png = Annotated[bytes, _TO_BASE64, _json_schema("image/png")]
Base64Code = Annotated[bytes, _TO_BASE64, _json_schema("application/vnd.deepshelf.code")]


class RequestParams(BaseModel):
    """Query parameters, or fields of a form or of JSON. Unknown names are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_booleans(cls, value: object, info: ValidationInfo) -> object:
        """Reject JSON's true and false for numbers; pydantic reads them as 1 and 0."""
        if isinstance(value, bool):
            annotation = cls.model_fields[str(info.field_name)].annotation
            if annotation is not bool and bool not in get_args(annotation):
                raise ValueError("must not be true or false")
        return value


OptionalPrecision = Annotated[Precision, Field(examples=["int8"])] | None
Seed = Annotated[int, Field(ge=0, lt=2**63, examples=[7])]
VersionNumber = Annotated[int, Field(ge=1, le=999_999_999, examples=[1])]


class ModelSelector(RequestParams):
    """Selects a model."""

    model: Annotated[str, Field(max_length=64, examples=["resnet-cifar10"])] | None = None
    """Name of a model, as `/v1/models` lists it. Default: the task's default model."""

    version: VersionNumber | None = None
    """Version of that model. Default: the highest that is ready."""


class PrecisionSelector(ModelSelector):
    """Selects a model and the precision of its graphs."""

    precision: OptionalPrecision = None
    """Precision of the graph: `int8` if the model has been quantised. Default: the one with the
    better result, which the model's card names."""
