"""Messages for pydantic's errors: what is wrong, what was sent, what is accepted."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = ["describe_error", "suggest_name"]

_MAX_VALUE_CHARS = 80
_MESSAGES = {
    "missing": "is missing",
    "none_required": "is not supported; leave it out",
    "extra_forbidden": "is unknown",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
"""Type of pydantic's error → message, with the fields of the error's context."""
_EXPECTED_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
}
"""Beginning of the type of pydantic's error, as in `int_parsing` → what is accepted."""
_TYPE_ERROR_SUFFIXES = ("type", "parsing", "from_float", "parsing_size")
_WITHOUT_VALUE = frozenset({"missing", "extra_forbidden", "unknown_parameter"})


def describe_error(error: Mapping[str, object]) -> dict[str, object]:
    """Return one of pydantic's errors as an item of a problem's `errors`."""
    where, message = ".".join(map(str, _location(error))), _message(error)
    if error.get("type") in _WITHOUT_VALUE:
        return {"where": where, "message": message}
    value = _truncate(str(error.get("input")))
    return {"where": where, "message": f"{message} (you sent {value!r})", "got": value}


def suggest_name(name: str, accepted: Iterable[str]) -> str:
    """Return `" (did you mean 'top_k'?)"` with the name nearest to `name`, or nothing."""
    matches = get_close_matches(name[:64], list(accepted), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _location(error: Mapping[str, object]) -> tuple[object, ...]:
    location = error.get("loc")
    return location if isinstance(location, tuple) else ()


def _message(error: Mapping[str, object]) -> str:
    kind, context = str(error.get("type", "")), error.get("ctx")
    template = _MESSAGES.get(kind)
    if template is not None:
        return template.format_map(context if isinstance(context, dict) else {})
    for prefix, expected in _EXPECTED_TYPES.items():
        if kind in {f"{prefix}_{suffix}" for suffix in _TYPE_ERROR_SUFFIXES}:
            return f"must be {expected}"
    return str(error.get("msg", "is invalid")).removeprefix("Value error, ")


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..."
