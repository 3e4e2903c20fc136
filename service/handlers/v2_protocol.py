"""Bodies of the Open Inference Protocol: JSON, and tensors as bytes after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.codecs.tensors import Array, datatype_of, from_bytes, from_json, to_bytes, to_json
from service.errors import BadRequest, Invalid, TooLarge
from service.handlers.v2_models import Found
from service.schemas.v2 import InferAnswer, InferInput, InferQuestion, OutputTensor, WantedOutput

__all__ = ["Asked", "Expected", "read_question", "write_answer"]

_SHARED = "shared_memory_region"
_SHOWN = 3


@dataclass(frozen=True)
class Expected:
    """What an input must be. A named dimension is free, and the same wherever it is named."""

    datatype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Asked:
    """A question, and the bytes of those of its inputs that came as bytes."""

    question: InferQuestion
    raw: Mapping[str, bytes]

    def tensors(self, expected: Mapping[str, Expected]) -> dict[str, Array]:
        """All inputs as arrays. Raises Invalid: one is not as expected; says how it should be."""
        came = [given.name for given in self.question.inputs]
        if sorted(came) != sorted(expected):
            raise Invalid(
                f"the inputs are {', '.join(map(_quote, came))}; needed are "
                f"{', '.join(map(repr, expected))}, each once"
            )
        sizes: dict[str, int] = {}
        for given in self.question.inputs:
            _check(given, expected[given.name], sizes)
        return {given.name: self._tensor(given) for given in self.question.inputs}

    def _tensor(self, given: InferInput) -> Array:
        raw = self.raw.get(given.name)
        if raw is not None:
            return from_bytes(given.name, given.datatype, given.shape, raw)
        if given.data is None:
            raise Invalid(f"{given.name} has neither data nor binary_data_size")
        return from_json(given.name, given.datatype, given.shape, given.data)


def _check(given: InferInput, expected: Expected, sizes: dict[str, int]) -> None:
    """`sizes` are those of named dimensions, as far as they are known."""
    name = given.name
    if given.datatype != expected.datatype:
        raise Invalid(f"{name} is {_quote(given.datatype)}; accepted is {expected.datatype}")
    if len(given.shape) != len(expected.shape):
        raise Invalid(f"{name} has the shape {given.shape}; accepted is {_shape(expected)}")
    for size, wanted in zip(given.shape, expected.shape, strict=True):
        if isinstance(wanted, str):
            wanted = sizes.setdefault(wanted, size)  # noqa: PLW2901  # what the name stands for
        if size != wanted:
            known = f" where {_known(sizes)}" if sizes else ""
            raise Invalid(
                f"{name} has the shape {given.shape}; accepted is {_shape(expected)}{known}"
            )


def _shape(expected: Expected) -> str:
    return f"[{', '.join(map(str, expected.shape))}]"


def _known(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def read_question(body: bytes, json_bytes: str | None, *, most_json: int) -> Asked:
    """A question from a body, of which the first `json_bytes` are JSON; all of it without.

    Raises:
        BadRequest: the parts are not where they should be, or the JSON is none.
        TooLarge: there are over `most_json` bytes of JSON.
        Invalid: a field is wrong; names each.
    """
    length = _json_length(body, json_bytes)
    if length > most_json:
        raise TooLarge(
            f"the JSON has {length} bytes; accepted are {most_json}: send tensors as bytes",
            limit=most_json,
        )
    try:
        question = InferQuestion.model_validate_json(body[:length])
    except ValidationError as error:
        raise _explained(error) from None
    _refuse_extensions(question)
    return Asked(question, _split(question.inputs, memoryview(body)[length:]))


def _json_length(body: bytes, json_bytes: str | None) -> int:
    if json_bytes is None:
        return len(body)
    text = json_bytes.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= len(body)):
        raise BadRequest(
            f"Inference-Header-Content-Length is {text[:20]!r}; accepted is a whole number up to "
            f"the body's {len(body)} bytes"
        )
    return int(text)


def _explained(error: ValidationError) -> BadRequest | Invalid:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return BadRequest(f"the body is not JSON: {found[0]['msg']}")
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:_SHOWN]]
    return Invalid("; ".join(told))


def _refuse_extensions(question: InferQuestion) -> None:
    if question.parameters.get("sequence_id"):
        raise Invalid("sequence_id: sequences are not supported here; send states as inputs")
    for tensor in (*question.inputs, *(question.outputs or ())):
        if _SHARED in tensor.parameters:
            raise Invalid(f"{tensor.name}: shared memory is not supported here; send bytes")


def _split(inputs: Sequence[InferInput], rest: memoryview) -> dict[str, bytes]:
    raw, at = {}, 0
    for given in inputs:
        size = given.parameters.get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or size < 0:
            raise Invalid(f"{given.name}: binary_data_size is not a whole number")
        if given.data is not None:
            raise Invalid(f"{given.name} has both data and binary_data_size; accepted is one")
        raw[given.name] = bytes(rest[at : at + size])
        at += size
    if at != len(rest):
        raise Invalid(f"the JSON tells of {at} bytes after it; {len(rest)} came")
    return raw


def write_answer(
    asked: Asked, found: Found, outputs: Mapping[str, Array]
) -> tuple[bytes, int | None]:
    """The body of an answer, and how many bytes of it are JSON where not all are.

    Raises Invalid: an output was asked for as JSON, which cannot hold it.
    """
    question = asked.question
    binary = question.parameters.get("binary_data_output") is True
    wanted = question.outputs or [WantedOutput(name=output) for output in outputs]
    tensors, parts = [], []
    for want in wanted:
        array = outputs[want.name]
        told: dict[str, Any] = {
            "name": want.name,
            "datatype": datatype_of(array),
            "shape": list(array.shape),
        }
        if want.parameters.get("binary_data", binary) is True:
            parts.append(to_bytes(array))
            told["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            told["data"] = to_json(want.name, array)
        tensors.append(OutputTensor.model_construct(**told))
    known: dict[str, Any] = {} if question.id is None else {"id": question.id}
    if found.model.others:  # told where there is a choice
        known["parameters"] = {"precision": found.model.precision}
    answer = InferAnswer(
        **known,
        model_name=found.name,
        model_version=str(found.model.version),
        outputs=tensors,
    )
    head = answer.to_json()
    return b"".join([head, *parts]), len(head) if parts else None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 64 else text[:61] + "...")
