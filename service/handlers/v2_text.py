"""Texts over the Open Inference Protocol: BYTES in, BYTES out."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np
from pydantic import ValidationError

from models_store.tasks import Task, TextGeneration
from service.codecs.tensors import BYTES, Array
from service.errors import Invalid
from service.handlers.generation import Texts, check_count
from service.handlers.text import TextLimits, generation
from service.handlers.v2_models import TEXT_INPUT, TEXT_OUTPUTS, Found
from service.handlers.v2_protocol import Asked, Expected
from service.runtime.loaded_model import Published
from service.scheduling.continuous_batching import Decoder
from service.schemas.text import TextOptions
from service.settings import Settings

__all__ = ["read_texts", "text_outputs"]

_OPTIONS = ("max_chars", "temperature", "top_k", "top_p", "seed", "stop", "precision")
_PROTOCOL = ("binary_data_output", "priority", "timeout", "content_type", "headers")
"""What clients of the protocol send with every question."""
_SEEDS = 2**63


def read_texts(
    found: Found, asked: Asked, settings: Settings, decoder: Decoder, arrived: float
) -> Texts:
    """The texts that are asked for, which begin to be written; text i of them with `seed + i`.

    Raises:
        Invalid: an input, an output or a parameter is wrong; says what is accepted.
        Overloaded, DeadlineExceeded, Unavailable: see `Decoder.submit`.
    """
    model = found.model
    if not _writes(model):
        raise TypeError(f"{found.name} writes no texts")
    _check_outputs(asked)
    expected = {TEXT_INPUT: Expected(BYTES, ("texts",))}
    prompts = [_text(prompt) for prompt in asked.tensors(expected)[TEXT_INPUT].tolist()]
    check_count(len(prompts), settings.text_streams)
    limits = TextLimits(prompt_chars=settings.max_prompt_chars, text_chars=settings.max_text_chars)
    parameters = _parameters(asked)
    whats = []
    for row, prompt in enumerate(prompts):
        options = _options(prompt, parameters, row)
        limits.check(options)
        whats.append(generation(model, options))
    return Texts(decoder, model, whats, arrived)


def text_outputs(texts: Texts, written: Sequence[str]) -> dict[str, Array]:
    """The outputs by name, of texts that are finished."""
    return {
        "text_output": _strings(written),
        "finish_reason": _strings([stream.reason for stream in texts]),
        "seed": np.array([stream.generation.seed for stream in texts], np.int64),
    }


def _writes(model: Published[Task]) -> TypeGuard[Published[TextGeneration]]:
    return isinstance(model.task, TextGeneration)


def _check_outputs(asked: Asked) -> None:
    for want in asked.question.outputs or ():
        if want.name not in TEXT_OUTPUTS:
            raise Invalid(
                f"there is no output {want.name[:64]!r}; there are: {', '.join(TEXT_OUTPUTS)}"
            )
        if want.parameters.get("classification") is not None:
            raise Invalid(f"{want.name}: only probabilities of a classifier can be told as labels")


def _parameters(asked: Asked) -> dict[str, object]:
    came = asked.question.parameters
    unknown = sorted(set(came) - {*_OPTIONS, *_PROTOCOL})
    if unknown:
        raise Invalid(f"there is no parameter {unknown[0][:64]!r}; accepted: {', '.join(_OPTIONS)}")
    return {name: came[name] for name in _OPTIONS if name in came}


def _options(prompt: str, parameters: Mapping[str, object], row: int) -> TextOptions:
    try:
        options = TextOptions.model_validate({**parameters, "prompt": prompt})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Invalid(f"parameters.{where}: {first['msg']}") from None
    if options.seed is None:
        return options
    return options.model_copy(update={"seed": (options.seed + row) % _SEEDS})


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Invalid(f"{TEXT_INPUT} holds bytes that are not UTF-8") from None


def _strings(texts: Sequence[str]) -> Array:
    array = np.empty(len(texts), object)
    array[:] = [text.encode() for text in texts]
    return array
