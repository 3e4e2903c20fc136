"""The OpenAPI document: FastAPI's, completed with error responses and schemas."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.routes.http.error_formats import error_formatter_for
from service.routes.http.openapi_fragments import problem_responses
from service.schemas.openai import OpenAIError
from service.schemas.problem import Problem
from service.schemas.v2 import ProtocolError

JsonObject = dict[str, Any]

_DESCRIPTION = """Small deep networks, trained offline, over REST.

Images are sent as a form or as the whole body. Task endpoints need no `model`: each task has a
default, and the response names the model. An error is `application/problem+json` (RFC 9457): it
says what was wrong, what was received and what is accepted, and has the request's id. Under `/v2`
and `/openai`, errors have the format of those protocols.
"""
_TAGS = [
    {"name": "images", "description": "Classify, denoise and compress images"},
    {"name": "faces", "description": "Generate faces from seeds"},
    {"name": "text", "description": "Continue texts, and draw handwriting"},
    {"name": "game", "description": "Tell people's work from a network's"},
    {"name": "tensors", "description": "Run any model on tensors in plain JSON"},
    {"name": "open inference protocol", "description": "For KServe and Triton clients"},
    {"name": "openai", "description": "Completions for OpenAI's client"},
    {"name": "models", "description": "The models in the store"},
    {"name": "health", "description": "Probes and metrics"},
]
_ERROR_SCHEMAS = {
    error_formatter_for("/v2"): "ProtocolError",
    error_formatter_for("/openai"): "OpenAIError",
}
"""Component of the errors of other protocols than ours."""


def build_openapi(app: FastAPI) -> JsonObject:
    """Return the document of `app` with its present routes."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        tags=_TAGS,
        servers=[{"url": app.root_path or "/"}],
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for error_type in (Problem, ProtocolError, OpenAIError):
        schema = error_type.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[error_type.__name__] = schema
    for _, operation in _operations(document):
        _drop_default_validation_error(operation)
        operation["responses"].setdefault("500", problem_responses(500)[500])
        schemas.update(_extract_definitions(operation))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _operations(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def format_errors(document: JsonObject) -> None:
    """Show the errors of each operation as its protocol formats them."""
    for path, operation in _operations(document):
        formatter = error_formatter_for(path)
        if formatter is None:
            continue
        responses: JsonObject = operation["responses"]
        schema = {"$ref": f"#/components/schemas/{_ERROR_SCHEMAS[formatter]}"}
        for status in [status for status in responses if int(status) >= 400]:
            response = responses.pop(status)
            (content,) = response["content"].values()
            sent_status, example = formatter(int(status), content["example"])
            # The rest of the description is about members of a problem document.
            responses[str(int(sent_status))] = {
                **response,
                "description": response["description"].partition("; `")[0],
                "content": {"application/json": {"schema": schema, "example": example}},
            }


def _drop_default_validation_error(operation: JsonObject) -> None:
    """Remove FastAPI's own 422, which it documents for every parameter and we never send."""
    if "HTTPValidationError" in str(operation["responses"].get("422")):
        del operation["responses"]["422"]


def _extract_definitions(operation: JsonObject) -> JsonObject:
    """Remove and return the `$defs` of a hand-written body schema."""
    definitions: JsonObject = {}
    if "requestBody" in operation:  # shared with the route and other applications
        operation["requestBody"] = deepcopy(operation["requestBody"])
    for media in operation.get("requestBody", {}).get("content", {}).values():
        definitions |= media.get("schema", {}).pop("$defs", {})
    return definitions
