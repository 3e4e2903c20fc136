"""The OpenAPI document: FastAPI's, and what it does not see by itself."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.schemas.problem import Problem

__all__ = ["describe"]

Document = dict[str, Any]

_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> Document:
    """The document of `app` as it stands."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        tags=app.openapi_tags,
        servers=[{"url": app.root_path or "/"}],
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template=_REF)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for operation in _operations(document):
        _drop_fastapis_error(operation)
        schemas.update(_definitions(operation))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _operations(document: Document) -> Iterator[Document]:
    for item in document["paths"].values():
        yield from item.values()


def _drop_fastapis_error(operation: Document) -> None:
    """FastAPI documents its own 422 wherever there is a parameter; nothing here answers so."""
    if "HTTPValidationError" in str(operation["responses"].get("422")):
        del operation["responses"]["422"]


def _definitions(operation: Document) -> Document:
    """What a body that we describe ourselves refers to, out of the body."""
    found: Document = {}
    if "requestBody" in operation:  # which is the route's own, and other applications'
        operation["requestBody"] = deepcopy(operation["requestBody"])
    for media in operation.get("requestBody", {}).get("content", {}).values():
        found |= media.get("schema", {}).pop("$defs", {})
    return found
