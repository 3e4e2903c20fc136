"""What every answer and every set of options shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models_store.manifest import Precision
from service.observability.timing import timed

__all__ = ["ModelSelector", "OptionalPrecision", "RequestParams", "ResponseModel"]


class ResponseModel(BaseModel):
    """Part of an answer. Built by us, so never validated again on its way out."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    @timed("encode")
    def to_json(self) -> bytes:
        """UTF-8 JSON without the fields that were not set."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


class RequestParams(BaseModel):
    """Query parameters, or fields of a form. A misspelt one is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_names(cls, data: object) -> object:
        """`forbid` alone would not say which names there are."""
        names = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = sorted(set(data) - set(names)) if isinstance(data, dict) else []
        if unknown:
            raise PydanticCustomError(
                "unknown_parameter",
                "there is no {name}; accepted: {accepted}",
                {"name": repr(unknown[0][:64]), "accepted": ", ".join(names) or "none"},
            )
        return data


OptionalPrecision = Annotated[Precision, Field(examples=["int8"])] | None


class ModelSelector(RequestParams):
    """Which model to ask."""

    model: Annotated[str, Field(max_length=64, examples=["resnet-cifar10"])] | None = None
    """Name of a model, as `/v1/models` lists it. Left out: the task's default."""

    version: Annotated[int, Field(ge=1, le=999_999_999, examples=[1])] | None = None
    """Version of that model. Left out: the highest that is ready."""
