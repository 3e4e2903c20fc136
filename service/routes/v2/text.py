"""Texts over the Open Inference Protocol: BYTES in, BYTES out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import numpy as np
from pydantic import ValidationError

from models_store.tasks import Task, TextGeneration
from models_store.validation_messages import describe_errors, suggest
from service.codecs.tensors import BYTES, Array
from service.errors import InvalidValue
from service.handlers.generation import GenerationGroup, TextLimits, check_generation_count
from service.handlers.tensor_inputs import TensorRequirement
from service.routes.v2.protocol import ParsedRequest
from service.routes.v2.target import TEXT_INPUT, TEXT_OUTPUTS, InferTarget
from service.runtime.loaded_model import LoadedModel
from service.scheduling.generation_stream import GenerationRequest
from service.schemas.text import TextParams
from service.state import AppState

_TEXT_PARAMETERS = ("max_chars", "temperature", "top_k", "top_p", "seed", "stop", "precision")
_IGNORED_PARAMETERS = ("binary_data_output", "priority", "timeout", "content_type", "headers")
"""Parameters that clients of the protocol send with every request."""
_SEED_COUNT = 2**63


def start_text_generation(
    target: InferTarget, parsed: ParsedRequest, state: AppState, arrival_time_s: float
) -> GenerationGroup:
    """Start to generate the requested texts; text i has the seed `seed + i`.

    Raises:
        InvalidValue: an input, an output or a parameter is wrong; says what is accepted.
        Overloaded, DeadlineExceeded, Unavailable: see `GenerationScheduler.submit`.
    """
    model = target.model
    if not _generates_text(model):
        raise TypeError(f"{target.name} does not generate texts")
    _check_outputs(parsed)
    expected = {TEXT_INPUT: TensorRequirement(BYTES, ("texts",))}
    prompts = [
        _decode_utf8(prompt) for prompt in parsed.decode_inputs(expected)[TEXT_INPUT].tolist()
    ]
    check_generation_count(len(prompts), state.settings.max_concurrent_generations)
    parameters = _text_parameters(parsed)
    requests = [
        _build_request(model, {**parameters, "prompt": prompt}, row, state.text_limits)
        for row, prompt in enumerate(prompts)
    ]
    return GenerationGroup(state.scheduler, model, requests, arrival_time_s)


def build_text_outputs(group: GenerationGroup, texts: Sequence[str]) -> dict[str, Array]:
    """Return the outputs by name, for finished texts."""
    return {
        "text_output": _bytes_array(texts),
        "finish_reason": _bytes_array([stream.final_reason for stream in group]),
        "seed": np.array([stream.request.seed for stream in group], np.int64),
    }


def _generates_text(model: LoadedModel[Task]) -> TypeGuard[LoadedModel[TextGeneration]]:
    return isinstance(model.task, TextGeneration)


def _check_outputs(parsed: ParsedRequest) -> None:
    for output in parsed.request.outputs or ():
        if output.name not in TEXT_OUTPUTS:
            raise InvalidValue(
                f"there is no output {output.name[:64]!r}; outputs: {', '.join(TEXT_OUTPUTS)}"
            )
        if output.parameters.get("classification") is not None:
            raise InvalidValue(
                f"{output.name}: classification needs the probabilities of a classifier"
            )


def _text_parameters(parsed: ParsedRequest) -> dict[str, object]:
    received = parsed.request.parameters
    unknown = sorted(set(received) - {*_TEXT_PARAMETERS, *_IGNORED_PARAMETERS})
    if unknown:
        raise InvalidValue(
            f"unknown parameter {unknown[0][:64]!r}; {suggest(unknown[0], _TEXT_PARAMETERS)}"
        )
    return {name: received[name] for name in _TEXT_PARAMETERS if name in received}


def _build_request(
    model: LoadedModel[TextGeneration],
    parameters: Mapping[str, object],
    row: int,
    limits: TextLimits,
) -> GenerationRequest:
    try:
        params = TextParams.model_validate(parameters)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        (first, *_) = describe_errors(errors, TextParams, noun="parameter")
        raise InvalidValue(f"parameters.{first}") from None
    request = params.build_request(model, limits)
    return (
        request
        if params.seed is None
        else replace(request, seed=(request.seed + row) % _SEED_COUNT)
    )


def _decode_utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidValue(f"{TEXT_INPUT} holds bytes that are not UTF-8") from None


def _bytes_array(texts: Sequence[str]) -> Array:
    array = np.empty(len(texts), object)
    array[:] = [text.encode() for text in texts]
    return array
