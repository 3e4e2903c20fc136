"""Descriptions of requests to `/v1`; the clients send them.

Parameters are typed dictionaries, shared by both clients and known to type checkers. The service
validates their values (see `service.schemas`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

from service.schemas.models import ModelsResponse
from service.schemas.predict import PredictResponse
from service.schemas.text import TextResponse

ResultT = TypeVar("ResultT")
FileInput = str | Path | bytes
"""A path, or the bytes of a file."""

TIMEOUT_S = 60.0


class ModelParameters(TypedDict, total=False):
    """Model and version; the task's default if omitted."""

    model: str
    version: int


class ClassifyParameters(ModelParameters, total=False):
    """The best `top_k` labels. Default: 5, or all if the model has fewer."""

    top_k: int


class CompressParameters(ModelParameters, total=False):
    """`quality` from 1 (fewest bytes), for models that have several."""

    quality: int


class DenoiseParameters(ModelParameters, total=False):
    """`strength` from 0, which leaves the image unchanged, to 1."""

    strength: float


class FacesParameters(ModelParameters, total=False):
    """Parameters of `/v1/faces`."""

    count: int
    seed: int
    truncation: float
    columns: int


class HandwritingParameters(ModelParameters, total=False):
    """Parameters of `/v1/handwriting`."""

    seed: int
    bias: float
    height: int


class TextParameters(ModelParameters, total=False):
    """Parameters of `/v1/text`."""

    max_chars: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    stop: str | list[str]


@dataclass(frozen=True)
class ApiCall(Generic[ResultT]):
    """One request, and the type that its response is parsed as."""

    method: str
    path: str
    parse: Callable[[bytes], ResultT]
    request_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments for httpx."""


LIST_MODELS = ApiCall("GET", "/v1/models", ModelsResponse.model_validate_json)


def upload(
    path: str, file: FileInput, parse: Callable[[bytes], ResultT], params: ModelParameters
) -> ApiCall[ResultT]:
    """Return a request whose body is a file."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    return ApiCall("POST", path, parse, {"content": content, "params": params})


def get_image(path: str, query: Mapping[str, object]) -> ApiCall[bytes]:
    """Return a request that generates a PNG from parameters."""
    return ApiCall("GET", path, bytes, {"params": query, "headers": {"Accept": "image/png"}})


def predict(
    model: str, inputs: Mapping[str, object], version: int | None
) -> ApiCall[PredictResponse]:
    """Run a model on tensors, as nested lists by the names of the inputs."""
    query = {"model": model} if version is None else {"model": model, "version": version}
    arguments = {"params": query, "json": {"inputs": inputs}}
    return ApiCall("POST", "/v1/predict", PredictResponse.model_validate_json, arguments)


def generate_text(
    prompt: str, params: TextParameters, *, stream: bool = False
) -> ApiCall[TextResponse]:
    """Return a request for a text, whole or with `stream` as events."""
    body = {"prompt": prompt, "stream": stream, **params}
    return ApiCall("POST", "/v1/text", TextResponse.model_validate_json, {"json": body})
