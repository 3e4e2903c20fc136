import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.app import create_app
from service.settings import Settings

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = create_app(Settings()).openapi()


_CODED = ("compress", "decompress")
_ANSWERS = (
    "ClassifyResponse",
    "CompressResponse",
    "DecompressResponse",
    "DenoiseResponse",
    "FacesResponse",
    "FiltersResponse",
    "HandwritingResponse",
    "ModelsResponse",
)


PROTOCOL = {
    ("/v2", "get", "v2_server"),
    ("/v2/health/live", "get", "v2_live"),
    ("/v2/health/ready", "get", "v2_ready"),
    ("/v2/models/stats", "get", "v2_all_statistics"),
    ("/v2/models/{model}", "get", "v2_model"),
    ("/v2/models/{model}/ready", "get", "v2_model_ready"),
    ("/v2/models/{model}/config", "get", "v2_model_config"),
    ("/v2/models/{model}/stats", "get", "v2_model_statistics"),
    ("/v2/models/{model}/infer", "post", "v2_infer"),
    ("/v2/models/{model}/versions/{version}", "get", "v2_version"),
    ("/v2/models/{model}/versions/{version}/ready", "get", "v2_version_ready"),
    ("/v2/models/{model}/versions/{version}/config", "get", "v2_version_config"),
    ("/v2/models/{model}/versions/{version}/stats", "get", "v2_version_statistics"),
    ("/v2/models/{model}/versions/{version}/infer", "post", "v2_version_infer"),
    ("/v2/repository/index", "post", "v2_index"),
    ("/v2/repository/models/{model}/load", "post", "v2_load"),
    ("/v2/repository/models/{model}/unload", "post", "v2_unload"),
}


PROTOCOL |= {
    ("/openai/v1/completions", "post", "openai_completions"),
    ("/openai/v1/models", "get", "openai_models"),
    ("/openai/v1/models/{model}", "get", "openai_model"),
}


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


OPERATIONS = [
    pytest.param(*operation, id=f"{operation[1]} {operation[0]}") for operation in _operations()
]


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_a_second_application_has_the_same_document() -> None:
    assert create_app(Settings()).openapi() == DOCUMENT


def test_everything_that_is_referred_to_is_there() -> None:
    text = json.dumps(DOCUMENT)
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert referred <= set(DOCUMENT["components"]["schemas"])
    assert "#/$defs" not in text


def test_operations_are_the_documented_ones() -> None:
    assert {(path, method, op["operationId"]) for path, method, op in _operations()} == {
        ("/v1/classify", "post", "classify"),
        ("/v1/predict", "post", "predict"),
        ("/v1/denoise", "post", "denoise"),
        ("/v1/compress", "post", "compress"),
        ("/v1/decompress", "post", "decompress"),
        ("/v1/faces", "get", "get_faces"),
        ("/v1/faces", "post", "post_faces"),
        ("/v1/faces/morph", "get", "get_morph"),
        ("/v1/faces/morph", "post", "post_morph"),
        ("/v1/text", "post", "text"),
        ("/v1/handwriting", "get", "handwriting"),
        ("/v1/game", "get", "list_games"),
        ("/v1/game", "post", "answer_round"),
        ("/v1/game/digits", "get", "get_digits_round"),
        ("/v1/game/faces", "get", "get_faces_round"),
        ("/v1/models", "get", "list_models"),
        ("/v1/models/{name}", "get", "get_model"),
        ("/v1/models/{name}/preview", "get", "get_model_preview"),
        ("/v1/models/{name}/sample", "get", "get_model_sample"),
        ("/v1/models/{name}/filters", "get", "list_filters"),
        ("/v1/models/{name}/filters/{layer}.png", "get", "get_filters"),
        ("/v1/models/{name}/activations", "post", "get_activations"),
        *PROTOCOL,
        ("/livez", "get", "livez"),
        ("/readyz", "get", "readyz"),
        ("/metrics", "get", "metrics"),
    }


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_is_described(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", []):
        assert parameter.get("description") or parameter["schema"].get("description"), parameter


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_error_is_documented_as_a_problem_and_nothing_else(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    error_type, schema = _error_shape(path)
    for status, response in operation["responses"].items():
        assert response["description"]
        if int(status) >= 400:
            assert set(response["content"]) == {error_type}, status
            content = response["content"][error_type]
            assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}
            assert content["example"]
        else:
            assert "application/problem+json" not in response["content"]


def _error_shape(path: str) -> tuple[str, str]:
    if path.startswith("/v2"):
        return "application/json", "ProtocolError"
    if path.startswith("/openai"):
        return "application/json", "OpenAIError"
    return "application/problem+json", "Problem"


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/denoise", "/v1/compress"])
def test_image_uploads_are_documented_as_form_and_raw_body_with_errors(path: str) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    assert {"multipart/form-data", "image/*", "application/octet-stream"} <= set(
        operation["requestBody"]["content"]
    )
    assert {"200", "400", "404", "413", "415", "422", "500", "503", "504"} <= set(
        operation["responses"]
    )


def test_denoise_is_documented_to_return_png_or_json() -> None:
    response = DOCUMENT["paths"]["/v1/denoise"]["post"]["responses"]["200"]
    assert set(response["content"]) == {"image/png", "application/json"}


def test_codes_are_documented_with_their_media_type() -> None:
    compress, decompress = (DOCUMENT["paths"][f"/v1/{p}"]["post"] for p in _CODED)
    code = "application/vnd.deepshelf.code"
    assert set(compress["responses"]["200"]["content"]) == {code, "application/json"}
    assert set(decompress["responses"]["200"]["content"]) == {"image/png", "application/json"}
    body = decompress["requestBody"]["content"]
    assert {code, "application/octet-stream", "multipart/form-data"} <= set(body)


def test_responses_have_examples() -> None:
    for name in (*_ANSWERS, "Problem"):
        assert DOCUMENT["components"]["schemas"][name]["examples"], name


def _example(schema: dict[str, Any]) -> bool:
    """Return True if a schema, or one it refers to, has an example or a default."""
    schema = _resolved(schema)
    parts = schema.get("anyOf", [])
    return bool({"examples", "example", "default"} & set(schema)) or any(map(_example, parts))


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).items()


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_everything_has_an_example(path: str, method: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        assert "example" in parameter or _example(parameter["schema"]), parameter["name"]
    for kind, content in _contents(operation):
        if kind.endswith("json"):
            assert "example" in content or _example(content["schema"]), kind
    assert "500" in operation["responses"]


def _examples() -> Iterator[Any]:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for example in schema.get("examples", []):
            yield pytest.param(schema, example, id=name)
    for path, method, operation in _operations():
        for kind, content in _contents(operation):
            if kind.endswith("json") and "example" in content:
                yield pytest.param(content["schema"], content["example"], id=f"{method} {path}")


@pytest.mark.parametrize(("schema", "example"), list(_examples()))
def test_examples_match_their_schemas(schema: dict[str, Any], example: Any) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    OAS31Validator(whole).validate(example)


def test_types_generated_from_the_document_compile(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    subprocess.run(
        [
            sys.executable, "-m", "datamodel_code_generator", "--input", "openapi.json",
            "--input-file-type", "openapi", "--output", "types_of_it.py", "--output-model-type",
            "pydantic_v2.BaseModel", "--formatters", "builtin", "--target-python-version", "3.11",
        ],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    program = "from types_of_it import ClassifyResponse, Completion, InferResponse, Problem"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_nothing_of_fastapis_own_error_shape_is_left() -> None:
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


async def test_the_document_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json()["paths"] == DOCUMENT["paths"]
