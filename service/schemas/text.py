"""`POST /v1/text`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from models_store.manifest import Precision
from models_store.tasks import TextGeneration
from service.handlers.generation import TextLimits, build_generation_request
from service.runtime.loaded_model import LoadedModel
from service.scheduling.generation_stream import FinishReason, GenerationRequest
from service.scheduling.sampling import SamplingParams
from service.schemas.base import ModelResponse, PrecisionSelector, ResponseModel, Seed, example

StopString = Annotated[str, Field(min_length=1, max_length=64)]


def as_sequence(value: object) -> object:
    """Return a text as a sequence of one, null as an empty one."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def allow_scalar_or_array(schema: dict[str, Any]) -> None:
    """Document a field that `as_sequence` parses."""
    array_keys = schema.keys() & {"type", "items", "minItems", "maxItems"}
    array_schema = {key: schema.pop(key) for key in sorted(array_keys)}
    schema["anyOf"] = [array_schema["items"], array_schema]


class TextParams(PrecisionSelector):
    """Parameters of text generation."""

    model_config = example(
        {"prompt": "ROMEO:\n", "max_chars": 200, "temperature": 0.7, "stop": ["\n\n"]}
    )

    prompt: str = ""
    """Text to continue, in characters that the model knows. Default: empty."""

    max_chars: Annotated[int, Field(ge=1)] = 200
    """Maximum number of characters to generate."""

    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.8
    """Sampling temperature: above 1 gives more variety, below 1 less; 0 always takes the most
    likely character."""

    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Sample only from the `top_k` most likely characters."""

    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """Sample only from the most likely characters whose probabilities add up to `top_p`."""

    seed: Seed | None = None
    """The same request with the same seed gives the same text from the same version of a model on
    the same kind of machine, independent of other requests. Default: random, and returned in the
    response."""

    stop: Annotated[
        tuple[StopString, ...],
        Field(max_length=8, json_schema_extra=allow_scalar_or_array),
        BeforeValidator(as_sequence),
    ] = ()
    """Stop strings, before which the text ends: one, or up to 8 of at most 64 characters."""

    stream: bool = False
    """Send the text as server-sent events while it is generated."""

    def build_request(
        self, model: LoadedModel[TextGeneration], limits: TextLimits
    ) -> GenerationRequest:
        """Return the request for `model`; raise InvalidValue as `build_generation_request`."""
        sampling = SamplingParams(self.temperature, self.top_k, self.top_p)
        return build_generation_request(
            model, self.prompt, self.max_chars, sampling, limits, seed=self.seed, stop=self.stop
        )


class TextResponse(ModelResponse):
    """A prompt's continuation."""

    model_config = example(
        {
            "model": "charnn-shakespeare",
            "version": 1,
            "text": "What say you to this?",
            "finish_reason": "stop",
            "seed": 7,
        }
    )

    text: str
    """Without the prompt, and without the stop string."""
    finish_reason: FinishReason
    """`stop`: a stop string was generated; `length`: `max_chars` was reached."""
    seed: int
    """Seed of the text."""
    precision: Precision | None = None
    """Precision of the graph that ran; present only if the model has several."""


class TextChunk(ResponseModel):
    """An event of a stream. All chunks together are the text; the last has the other fields."""

    text: str
    finish_reason: FinishReason | None = None
    model: str | None = None
    version: int | None = None
    seed: int | None = None
    precision: Precision | None = None
