"""`POST /v1/text`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from models_store.manifest import Precision
from service.handlers.generation import TextRequest
from service.schemas.base import PrecisionSelector, ResponseModel

__all__ = ["TextChunk", "TextParams", "TextResponse"]

_StopString = Annotated[str, Field(min_length=1, max_length=64)]


def _as_sequence(value: object) -> object:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _allow_scalar_or_array(schema: dict[str, Any]) -> None:
    array_schema = {
        "type": "array",
        "items": schema.pop("items"),
        "maxItems": schema.pop("maxItems"),
    }
    schema.pop("type")
    schema["anyOf"] = [array_schema["items"], array_schema]


class TextParams(PrecisionSelector):
    """A beginning, and how it is to be continued."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "ROMEO:\n", "max_chars": 200, "temperature": 0.7, "stop": ["\n\n"]}
            ]
        }
    )

    prompt: str = ""
    """The beginning, in characters that the model knows. Left out: the model begins by itself."""

    max_chars: Annotated[int, Field(ge=1)] = 200
    """The answer ends after so many characters at the latest."""

    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.8
    """Over 1 is bolder, under 1 safer; 0 always takes the likeliest character."""

    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Choose among the k likeliest characters alone."""

    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """Choose among the likeliest characters whose probabilities add up to p alone."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """The same request with the same seed gives the same text from the same version of a model on
    the same kind of machine, whatever else is asked meanwhile. Left out: a random one, which the
    answer tells."""

    stop: Annotated[
        tuple[_StopString, ...],
        Field(max_length=8, json_schema_extra=_allow_scalar_or_array),
        BeforeValidator(_as_sequence),
    ] = ()
    """The answer ends before any of these strings: one, or up to 8 of at most 64 characters."""

    stream: bool = False
    """Answer with server-sent events, as the text is written."""

    def to_request(self) -> TextRequest:
        """Return the fields that generation needs."""
        return TextRequest(
            prompt=self.prompt,
            max_chars=self.max_chars,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=self.seed,
            stop=self.stop,
        )

    @field_validator("top_k", "seed", "max_chars", mode="before")
    @classmethod
    def _reject_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a whole number is wanted, not true or false")  # noqa: TRY004  # pydantic's
        return value


class TextResponse(ResponseModel):
    """A prompt's continuation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "charnn-shakespeare",
                    "version": 1,
                    "text": "What say you to this?",
                    "finish_reason": "stop",
                    "seed": 7,
                }
            ]
        }
    )

    model: str
    version: int
    text: str
    """Without the prompt, and without the stop string."""
    finish_reason: Literal["length", "stop"]
    """`stop`: a stop string came; `length`: max_chars were written."""
    seed: int
    """With which it was written."""
    precision: Precision | None = None
    """Precision of the graph that ran; present only if the model has several."""


class TextChunk(ResponseModel):
    """An event of a stream. All pieces together are the text; the last one tells the rest."""

    text: str
    finish_reason: Literal["length", "stop"] | None = None
    model: str | None = None
    version: int | None = None
    seed: int | None = None
    precision: Precision | None = None
