"""Readable messages for recipes that do not validate."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["format_validation_error", "suggest"]


def format_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Name every field that is wrong, what was received and what is accepted, on one line."""
    return "; ".join(_format(problem, model) for problem in error.errors())


def suggest(name: str, accepted: Iterable[str]) -> str:
    """Return "did you mean …?" for the nearest accepted name, or the list of all of them."""
    options = list(accepted)
    nearest = get_close_matches(name, options, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"accepted: {', '.join(options)}"


def _format(problem: Any, model: type[BaseModel]) -> str:
    path, models = _resolve(problem["loc"], model)
    match problem["type"]:
        case "extra_forbidden":
            *parents, name = path
            fields = [field for owner in models for field in owner.model_fields]
            message = f"unknown field {name!r}; {suggest(name, fields)}"
            return ": ".join((".".join(parents), message)) if parents else message
        case "union_tag_invalid":
            tags = [tag.strip("'") for tag in problem["ctx"]["expected_tags"].split(", ")]
            kind = problem["ctx"]["tag"]
            return f"{'.'.join(path)}: unknown kind {kind!r}; {suggest(kind, tags)}"
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    received = f", got {value!r}" if isinstance(value, str | int | float) else ""
    return f"{'.'.join(path) or 'recipe'}: {message}{received}"


def _resolve(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[list[str], list[type[BaseModel]]]:
    """Return the path of a field as a recipe spells it, and the models that could hold it.

    pydantic's locations also name the member of each union, which no recipe spells.
    """
    path: list[str] = []
    owners = models = [model]
    for key in location:
        members = [m for m in models if "kind" in m.model_fields and _kind(m) == key]
        if members:
            models = members
            continue
        path.append(str(key))
        owners = models
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
    return path, owners


def _kind(model: type[BaseModel]) -> object:
    return model.model_fields["kind"].default


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
