"""Messages for pydantic's errors: which field is wrong, what was received, what is accepted."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_TEMPLATES = {
    "missing": "is missing",
    "none_required": "is not supported; leave it out",
    "json_invalid": "is not JSON: {error}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""Type of pydantic's error → message, with the members of the error's context."""
_WITHOUT_VALUE = frozenset(list(_TEMPLATES)[:7])
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
}
"""Beginning of the type of pydantic's error, as in `int_parsing` → the accepted type."""
_TYPE_ERROR_SUFFIXES = ("type", "parsing", "from_float", "parsing_size")
_MAX_ERRORS = 16
MAX_VALUE_CHARS = 80
"""Characters of a received value that a message quotes."""


@dataclass(frozen=True)
class ValidationMessage:
    """A value that is wrong, a field that is missing, or one that does not exist."""

    path: tuple[str, ...]
    """Names of the fields from the outermost; empty for the input itself."""
    text: str
    received: str | None = None
    """The value, truncated; None if there is none, or if it is not shown."""

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.text}" if self.path else self.text


def format_errors(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the errors of validating `model` in one line."""
    return "; ".join(map(str, describe_errors(error.errors(include_url=False), model)))


def describe_errors(
    errors: Sequence[Mapping[str, Any]],
    model: type[BaseModel],
    *,
    noun: str = "field",
    secret: Collection[str] = (),
) -> list[ValidationMessage]:
    """Return a message for each of pydantic's errors of validating `model`, up to 16.

    Fields that do not exist are compared with those of the model; messages call them `noun`. Values
    of the fields in `secret` are not shown.
    """
    return [_describe(error, model, noun, secret) for error in errors[:_MAX_ERRORS]]


def suggest(name: str, accepted: Iterable[str]) -> str:
    """Return "did you mean …?" for the nearest accepted name, or the list of all of them."""
    options = list(accepted)
    nearest = get_close_matches(name[:64], options, n=1)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"accepted: {', '.join(options) or 'none'}"


def truncate(text: str, max_chars: int) -> str:
    """Return the text, or its beginning and dots."""
    return text if len(text) <= max_chars else text[: max_chars - 3] + "..."


def _describe(
    error: Mapping[str, Any], model: type[BaseModel], noun: str, secret: Collection[str]
) -> ValidationMessage:
    names, owners = _resolve(error["loc"], model)
    path = tuple(names)
    match error["type"]:
        case "extra_forbidden":
            fields = [f.alias or key for m in owners for key, f in m.model_fields.items()]
            unknown = f"unknown {noun} {path[-1][:64]!r}; {suggest(path[-1], fields)}"
            return ValidationMessage(path[:-1], unknown)
        case "union_tag_invalid":
            tags = [tag.strip("'") for tag in error["ctx"]["expected_tags"].split(", ")]
            kind = str(error["ctx"]["tag"])
            return ValidationMessage(path, f"unknown kind {kind!r}; {suggest(kind, tags)}")
    if error["type"] in _WITHOUT_VALUE or set(path[:1]) & set(secret):
        return ValidationMessage(path, _text(error, None))
    value = error["input"]
    received = truncate(str(value), MAX_VALUE_CHARS)
    quoted = repr(received) if isinstance(value, str) else received
    is_scalar = isinstance(value, str | int | float)
    return ValidationMessage(path, _text(error, quoted if is_scalar else None), received)


def _text(error: Mapping[str, Any], value: str | None) -> str:
    kind: str = error["type"]
    for prefix, expected in _TYPES.items():
        if kind in {f"{prefix}_{suffix}" for suffix in _TYPE_ERROR_SUFFIXES}:
            return f"{value} is not {expected}" if value else f"must be {expected}"
    if kind in _TEMPLATES:
        text = _TEMPLATES[kind].format_map(error.get("ctx", {}))
    else:
        text = error["msg"].removeprefix("Value error, ").replace("Input should ", "must ")
    return f"{text}, got {value}" if value else text


def _resolve(
    location: Iterable[int | str], model: type[BaseModel]
) -> tuple[list[str], list[type[BaseModel]]]:
    """Return the path of a field as the input spells it, and the models that could hold it.

    pydantic's locations also name the member of each union, which no input spells.
    """
    path: list[str] = []
    owners = models = [model]
    for key in location:
        members = [
            m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == key
        ]
        if members:
            models = members
            continue
        path.append(str(key))
        owners = models
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
    return path, owners


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
