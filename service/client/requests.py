"""What can be asked of `/v1`, each as one description of a request; nothing is sent here.

Options are typed dictionaries, so that both clients take the same ones and a type checker knows
them. What a value may be, the service says: see `service.schemas`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

from service.schemas.classify import ClassifyAnswer
from service.schemas.models import ModelsAnswer
from service.schemas.text import TextAnswer

__all__ = [
    "MODELS",
    "TIMEOUT_S",
    "Call",
    "ChosenModel",
    "ClassifyParameters",
    "CompressParameters",
    "FacesParameters",
    "HandwritingParameters",
    "Picture",
    "TextParameters",
    "classify",
    "drawn",
    "text",
    "upload",
]

ResultT = TypeVar("ResultT")
Picture = str | Path | bytes
"""A path, or the bytes of a file."""

TIMEOUT_S = 60.0


class ChosenModel(TypedDict, total=False):
    """Which model to ask; the task's default where none is named."""

    model: str
    version: int


class ClassifyParameters(ChosenModel, total=False):
    """The best `top_k` labels; 5 where it is left out, or all that there are."""

    top_k: int


class CompressParameters(ChosenModel, total=False):
    """`quality` from 1, the fewest bytes, where the model has several."""

    quality: int


class FacesParameters(ChosenModel, total=False):
    """Which faces: see `/v1/faces`."""

    count: int
    seed: int
    truncation: float
    columns: int


class HandwritingParameters(ChosenModel, total=False):
    """How it is written: see `/v1/handwriting`."""

    seed: int
    bias: float
    height: int


class TextParameters(ChosenModel, total=False):
    """How a text is continued: see `/v1/text`."""

    max_chars: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    stop: str | list[str]


@dataclass(frozen=True)
class Call(Generic[ResultT]):
    """One request, and what its answer's body is read as."""

    method: str
    path: str
    result: Callable[[bytes], ResultT]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What httpx is told beside."""


MODELS = Call("GET", "/v1/models", ModelsAnswer.model_validate_json)


def classify(picture: Picture, which: ClassifyParameters) -> Call[ClassifyAnswer]:
    """The labels of one picture."""
    return _upload("/v1/classify", picture, ClassifyAnswer.model_validate_json, which)


def upload(path: str, file: Picture, which: ChosenModel) -> Call[bytes]:
    """A file as the whole body; another file comes back."""
    return _upload(path, file, bytes, which)


def drawn(path: str, media_type: str, query: Mapping[str, object]) -> Call[bytes]:
    """A picture out of nothing but options."""
    return Call("GET", path, bytes, {"params": query, "headers": {"Accept": media_type}})


def text(prompt: str, options: TextParameters, *, stream: bool = False) -> Call[TextAnswer]:
    """A text in one piece, or with `stream` as events."""
    question = {"prompt": prompt, "stream": stream, **options}
    return Call("POST", "/v1/text", TextAnswer.model_validate_json, {"json": question})


def _upload(
    path: str, file: Picture, result: Callable[[bytes], ResultT], query: Mapping[str, object]
) -> Call[ResultT]:
    body = file if isinstance(file, bytes) else Path(file).read_bytes()
    return Call("POST", path, result, {"content": body, "params": query})
