"""`/openai/v1`: completions and models in the format of OpenAI's client."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from models_store.manifest import Precision
from service.scheduling.generation_stream import FinishReason
from service.schemas.base import OptionalPrecision, RequestParams, ResponseModel, example
from service.schemas.text import StopString, allow_scalar_or_array, as_sequence


def _parse_prompts(value: object) -> object:
    prompts = ("",) if value is None else as_sequence(value)
    if isinstance(prompts, list | tuple) and any(isinstance(item, int | list) for item in prompts):
        raise ValueError("prompts must be text; token ids are not supported")
    return prompts


def _allow_scalar_array_or_null(schema: dict[str, Any]) -> None:
    allow_scalar_or_array(schema)
    schema["anyOf"].append({"type": "null"})


def _allow_null(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {key: schema.pop(key) for key in ("type", "minimum") if key in schema},
        {"type": "null"},
    ]


class StreamOptions(RequestParams):
    """Options of a stream."""

    include_usage: bool = False
    """Send one more event at the end, without choices but with the usage; in all events before it,
    the usage is null."""
    include_obfuscation: bool = False
    """Accepted and ignored."""


class CompletionParams(RequestParams):
    """OpenAI's `POST /completions`. A token is a character."""

    model_config = example(
        {
            "model": "charnn-tiny",
            "prompt": "482 = ",
            "max_tokens": 80,
            "temperature": 0,
            "stop": "\n",
        }
    )

    model: Annotated[str, Field(max_length=64)] | None = None
    """Name of a text model, as `/openai/v1/models` lists it. Default: the default text model."""

    prompt: Annotated[
        tuple[str, ...],
        Field(min_length=1, json_schema_extra=_allow_scalar_array_or_null),
        BeforeValidator(_parse_prompts),
    ] = ("",)
    """One prompt or several, in characters that the model knows."""

    max_tokens: Annotated[int, Field(ge=1, json_schema_extra=_allow_null)] = 16
    """Maximum number of characters of each text; null means 16."""

    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = 1.0
    """Sampling temperature; 0 always takes the most likely character."""

    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = 1.0
    """Sample only from the most likely characters whose probabilities add up to `top_p`."""

    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Extension: sample only from the `top_k` most likely characters."""

    precision: OptionalPrecision = None
    """Extension: precision of the graph, `int8` if the model has been quantised. Default: the one
    with the better result, which the model's card names."""

    n: Annotated[int, Field(ge=1)] | None = 1
    """Texts for each prompt."""

    best_of: int | None = None
    """Accepted only if equal to `n`."""

    stop: Annotated[
        tuple[StopString, ...],
        Field(max_length=8, json_schema_extra=_allow_scalar_array_or_null),
        BeforeValidator(as_sequence),
    ] = ()
    """Up to 8 stop strings; a text ends before the first of them."""

    seed: int | None = None
    """Choice i of the response has the seed `seed` + i. Default: random."""

    stream: bool | None = False
    """Send the texts as server-sent events while they are generated."""

    stream_options: StreamOptions | None = None

    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    """Return the log probability of each character, and of this many most likely ones."""

    echo: bool | None = False
    """Return the prompt before the text; not together with `logprobs`."""

    suffix: Literal[""] | None = None
    """Accepted only if empty."""
    presence_penalty: float | None = 0.0
    """Accepted only if 0."""
    frequency_penalty: float | None = 0.0
    """Accepted only if 0."""
    logit_bias: dict[str, float] | None = None
    """Accepted only if empty."""
    user: str | None = None
    """Accepted and ignored."""

    @field_validator("max_tokens", mode="before")
    @classmethod
    def _default_max_tokens(cls, value: object) -> object:
        return 16 if value is None else value

    @field_validator("presence_penalty", "frequency_penalty", "logit_bias")
    @classmethod
    def _reject_unsupported_values(cls, value: object) -> object:
        if value:
            raise ValueError("is not supported; leave it out")
        return value


class LogProbs(ResponseModel):
    """Log probabilities of each generated character, before temperature and top_p."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]
    """Offset of each character from the start of the prompt."""


class CompletionChoice(ResponseModel):
    """One text, or a chunk of it."""

    text: str
    index: int
    logprobs: LogProbs | None = None
    finish_reason: FinishReason | None = None
    """Null in all chunks of a stream but the last."""


class Usage(ResponseModel):
    """In characters."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(ResponseModel):
    """Texts; also each event of a stream."""

    model_config = example(
        {
            "id": "cmpl-0f8c1b2d3e4f40519c2a7b6d5e4f3a21",
            "object": "text_completion",
            "created": 1764000000,
            "model": "charnn-tiny",
            "choices": [
                {
                    "text": "four hundred eighty-two",
                    "index": 0,
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 6, "completion_tokens": 23, "total_tokens": 29},
        }
    )

    id: str
    object: Literal["text_completion"]
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None
    precision: Precision | None = None
    """Extension: precision of the graph that ran; present only if the model has several."""


_TEXT_MODEL = {
    "id": "charnn-tiny", "object": "model", "created": 1764000000, "owned_by": "deepshelf",
}  # fmt: skip


class TextModel(ResponseModel):
    """A text model."""

    model_config = example(_TEXT_MODEL)

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(ResponseModel):
    """The text models that are ready."""

    model_config = example({"object": "list", "data": [_TEXT_MODEL]})

    object: Literal["list"]
    data: list[TextModel]


class ErrorBody(ResponseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(ResponseModel):
    """Every error of this protocol."""

    error: ErrorBody
