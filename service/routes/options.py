"""Parameters: from the query, and in a form as fields too. Where both name one, the query wins."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service.schemas.base import Options

__all__ = ["form_fields", "with_fields"]

OptionsT = TypeVar("OptionsT", bound=Options)


def with_fields(query: OptionsT, fields: Mapping[str, str]) -> OptionsT:
    """The query's options, and for those that it does not set, the form's.

    Raises:
        RequestValidationError: a field's value is wrong.
    """
    if not fields:
        return query
    try:
        return type(query).model_validate({**fields, **query.model_dump(exclude_unset=True)})
    except ValidationError as error:
        found = [{**one, "loc": ("form", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from error


def form_fields(options: type[Options]) -> dict[str, dict[str, Any]]:
    """JSON Schema of each option, for a form's documentation."""
    properties: dict[str, dict[str, Any]] = options.model_json_schema()["properties"]
    return properties
