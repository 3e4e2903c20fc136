"""The OpenAPI document: FastAPI's, and what it does not see by itself."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.routes.http.error_formats import dialect_of
from service.schemas.openapi_fragments import problems
from service.schemas.problem import Problem

__all__ = ["describe"]

Document = dict[str, Any]

_ERRORS = {dialect_of("/v2"): "ProtocolError", dialect_of("/openai"): "OpenAIError"}
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
    for path, operation in _operations(document):
        _drop_fastapis_error(operation)
        operation["responses"].setdefault("500", _unexpected(path))
        schemas.update(_definitions(operation))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def _unexpected(path: str) -> Document:
    """Whatever is asked, something may go wrong that nobody thought of; told as the path is."""
    response: Document = problems(500)[500]
    dialect = dialect_of(path)
    if dialect is None:
        return response
    ((_, content),) = response["content"].items()
    _, told = dialect(500, content["example"])
    schema = {"$ref": f"#/components/schemas/{_ERRORS[dialect]}"}
    return {**response, "content": {"application/json": {"schema": schema, "example": told}}}


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
