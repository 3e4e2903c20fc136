"""A prompt → what a recurrent network writes after it."""

import secrets

from models_store.tasks import TextGeneration
from service.errors import Invalid
from service.runtime.loaded_model import Published
from service.scheduling.batch_state import Recurrent
from service.scheduling.continuous_batching import Decoder
from service.scheduling.generation_stream import Generation, Stream
from service.scheduling.sampling import Choice
from service.schemas.text import TextOptions

__all__ = ["TextLimits", "generation", "write"]

_NAMED = 10
"""Characters that a message about unknown ones names."""


class TextLimits:
    """How much one request may ask for."""

    def __init__(self, *, prompt_chars: int, text_chars: int) -> None:
        self.prompt_chars = prompt_chars
        self.text_chars = text_chars

    def check(self, options: TextOptions) -> None:
        """Raises Invalid, naming the limit."""
        if len(options.prompt) > self.prompt_chars:
            raise Invalid(
                f"the prompt has {len(options.prompt)} characters; accepted are "
                f"{self.prompt_chars}",
                limit=self.prompt_chars,
            )
        if options.max_chars > self.text_chars:
            raise Invalid(
                f"max_chars is {options.max_chars}, accepted is 1 to {self.text_chars}",
                limit=self.text_chars,
            )


def generation(model: Published[TextGeneration], options: TextOptions) -> Generation:
    """What the decoder is to do.

    Raises:
        Invalid: the prompt has characters that the model does not know; names them.
    """
    task = model.task
    index = {character: position for position, character in enumerate(task.vocabulary)}
    unknown = [character for character in dict.fromkeys(options.prompt) if character not in index]
    if unknown:
        raise Invalid(_explain(model, unknown), characters=unknown[:_NAMED])
    seed = secrets.randbits(32) if options.seed is None else options.seed
    return Generation(
        prompt=[index[character] for character in task.start + options.prompt],
        vocabulary=task.vocabulary,
        max_chars=options.max_chars,
        seed=seed,
        choice=Choice(options.temperature, options.top_k, options.top_p),
        stops=options.stop,
    )


def write(
    decoder: Decoder, model: Published[TextGeneration], what: Generation, arrived: float
) -> Stream:
    """The text, which begins to be written. Raises what `Decoder.submit` raises."""
    recurrent = Recurrent(model.graphs["step"], model.task.states)
    return decoder.submit(recurrent, what, arrived)


def _explain(model: Published[TextGeneration], unknown: list[str]) -> str:
    named = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    return (
        f"the prompt has characters that {model.name} has never seen: {named}{more}; it knows "
        f"{len(model.task.vocabulary)}: {model.task.vocabulary!r}"
    )
