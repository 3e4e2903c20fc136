"""A prompt → what a recurrent network writes after it."""

import secrets

from models_store.tasks import TextGeneration
from service.errors import InvalidValue
from service.runtime.loaded_model import LoadedModel
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.generation_stream import GenerationRequest, GenerationStream
from service.scheduling.sampling import SamplingParams
from service.schemas.text import TextParams

__all__ = ["TextLimits", "build_generation_request", "start_generation"]

_MAX_LISTED_CHARACTERS = 10
"""Characters that a message about unknown ones names."""


class TextLimits:
    """How much one request may ask for."""

    def __init__(self, *, max_prompt_chars: int, max_text_chars: int) -> None:
        self.max_prompt_chars = max_prompt_chars
        self.max_text_chars = max_text_chars

    def validate(self, params: TextParams) -> None:
        """Raises Invalid, naming the limit."""
        if len(params.prompt) > self.max_prompt_chars:
            raise InvalidValue(
                f"the prompt has {len(params.prompt)} characters; accepted are "
                f"{self.max_prompt_chars}",
                limit=self.max_prompt_chars,
                param="prompt",
            )
        if params.max_chars > self.max_text_chars:
            raise InvalidValue(
                f"max_chars is {params.max_chars}, accepted is 1 to {self.max_text_chars}",
                limit=self.max_text_chars,
                param="max_chars",
            )


def build_generation_request(
    model: LoadedModel[TextGeneration], params: TextParams
) -> GenerationRequest:
    """What the decoder is to do.

    Raises:
        Invalid: the prompt has characters that the model does not know; names them.
    """
    task = model.task
    token_ids = {character: position for position, character in enumerate(task.vocabulary)}
    unknown = [
        character for character in dict.fromkeys(params.prompt) if character not in token_ids
    ]
    if unknown:
        raise InvalidValue(
            _unknown_characters_message(model, unknown),
            characters=unknown[:_MAX_LISTED_CHARACTERS],
            param="prompt",
        )
    seed = secrets.randbits(32) if params.seed is None else params.seed
    return GenerationRequest(
        prompt=[token_ids[character] for character in task.start + params.prompt],
        vocabulary=task.vocabulary,
        max_chars=params.max_chars,
        seed=seed,
        sampling=SamplingParams(params.temperature, params.top_k, params.top_p),
        stop_strings=params.stop,
    )


def start_generation(
    scheduler: GenerationScheduler,
    model: LoadedModel[TextGeneration],
    request: GenerationRequest,
    arrival_time_s: float,
) -> GenerationStream:
    """The text, which begins to be written. Raises what `GenerationScheduler.submit` raises."""
    return scheduler.submit(model.require_recurrent(), request, arrival_time_s)


def _unknown_characters_message(model: LoadedModel[TextGeneration], unknown: list[str]) -> str:
    listed = ", ".join(
        f"{character!r} (U+{ord(character):04X})" for character in unknown[:_MAX_LISTED_CHARACTERS]
    )
    more = (
        f" and {len(unknown) - _MAX_LISTED_CHARACTERS} more"
        if len(unknown) > _MAX_LISTED_CHARACTERS
        else ""
    )
    return (
        f"the prompt has characters that {model.name} has never seen: {listed}{more}; it knows "
        f"{len(model.task.vocabulary)}: {model.task.vocabulary!r}"
    )
