"""A typed client of `/v1`, in two kinds that differ by `await`: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        print(client.classify("cat.jpg").results[0].predictions[0].label)

Needs httpx (`pip install 'deepshelf[client]'`). A picture is a path, or the bytes of a file.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypedDict, TypeVar, Unpack

import httpx

from service.schemas.classify import ClassifyAnswer
from service.schemas.models import ModelsAnswer
from service.schemas.text import TextAnswer, TextPiece

__all__ = [
    "AsyncClient",
    "ChosenModel",
    "ClassifyParameters",
    "Client",
    "ServiceProblem",
    "TextParameters",
]

ResultT = TypeVar("ResultT")
Picture = str | Path | bytes

_TIMEOUT_S = 60.0


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


class TextParameters(ChosenModel, total=False):
    """How a text is continued: see `/v1/text`."""

    max_chars: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    stop: str | list[str]


class ServiceProblem(Exception):
    """What the service answered instead of a result, RFC 9457."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', 'no details')}")
        self.status = status
        self.problem = problem
        """The whole document: `type`, `title`, `detail`, `request_id` …"""


@dataclass(frozen=True)
class _Call(Generic[ResultT]):
    method: str
    path: str
    result: Callable[[bytes], ResultT]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What httpx is told beside."""


def _read(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def _upload(
    path: str, body: bytes, result: Callable[[bytes], ResultT], **query: Any
) -> _Call[ResultT]:
    return _Call("POST", path, result, {"content": body, "params": query})


def _text(prompt: str, options: TextParameters, *, stream: bool = False) -> _Call[TextAnswer]:
    question = {"prompt": prompt, "stream": stream, **options}
    return _Call("POST", "/v1/text", TextAnswer.model_validate_json, {"json": question})


_MODELS = _Call("GET", "/v1/models", ModelsAnswer.model_validate_json)


def _checked(answer: httpx.Response) -> bytes:
    if answer.is_success:
        return answer.content
    try:
        problem = answer.json()
    except ValueError:  # somebody on the way, such as a proxy
        problem = {"detail": answer.text[:200]}
    raise ServiceProblem(answer.status_code, problem)


class _Events:
    """Lines of server-sent events → pieces of a text."""

    def __init__(self) -> None:
        self._failed = False

    def piece(self, line: str) -> str:
        """What a line adds to the text. Raises ServiceProblem: it tells of a failure."""
        self._failed = self._failed or line == "event: error"
        data = line.removeprefix("data: ")
        if data == line or data == "[DONE]":
            return ""
        if self._failed:
            problem = json.loads(data)
            raise ServiceProblem(problem.get("status", 500), problem)
        return TextPiece.model_validate_json(data).text


def _bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


class Client:
    """Talks to the service at `url`, with an API `key` where it wants one.

    Not one for several threads at once to close.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._http = httpx.Client(base_url=url, headers=_bearer(key), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _ask(self, call: _Call[ResultT]) -> ResultT:
        return call.result(_checked(self._http.request(call.method, call.path, **call.options)))

    def models(self) -> ModelsAnswer:
        """What is on the shelf."""
        return self._ask(_MODELS)

    def classify(self, picture: Picture, **which: Unpack[ClassifyParameters]) -> ClassifyAnswer:
        """Labels with probabilities, best first."""
        body = _read(picture)
        parse = ClassifyAnswer.model_validate_json
        return self._ask(_upload("/v1/classify", body, parse, **which))

    def denoise(self, picture: Picture, **which: Unpack[ChosenModel]) -> bytes:
        """The picture without its noise, as PNG."""
        return self._ask(_upload("/v1/denoise", _read(picture), bytes, **which))

    def compress(self, picture: Picture, **which: Unpack[CompressParameters]) -> bytes:
        """The picture as a code for `decompress`."""
        return self._ask(_upload("/v1/compress", _read(picture), bytes, **which))

    def decompress(self, code: Picture) -> bytes:
        """The picture in a code, as PNG."""
        return self._ask(_upload("/v1/decompress", _read(code), bytes))

    def text(self, prompt: str, **options: Unpack[TextParameters]) -> TextAnswer:
        """How the prompt goes on."""
        return self._ask(_text(prompt, options))

    def stream_text(self, prompt: str, **options: Unpack[TextParameters]) -> Iterator[str]:
        """The same in pieces, as it is written; it stops where you stop."""
        call, events = _text(prompt, options, stream=True), _Events()
        with self._http.stream(call.method, call.path, **call.options) as answer:
            if not answer.is_success:
                answer.read()
                _checked(answer)
            for line in answer.iter_lines():
                if piece := events.piece(line):
                    yield piece


class AsyncClient:
    """The same for asyncio."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_bearer(key), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _ask(self, call: _Call[ResultT]) -> ResultT:
        answer = await self._http.request(call.method, call.path, **call.options)
        return call.result(_checked(answer))

    async def models(self) -> ModelsAnswer:
        """What is on the shelf."""
        return await self._ask(_MODELS)

    async def classify(
        self, picture: Picture, **which: Unpack[ClassifyParameters]
    ) -> ClassifyAnswer:
        """Labels with probabilities, best first."""
        body = _read(picture)
        parse = ClassifyAnswer.model_validate_json
        return await self._ask(_upload("/v1/classify", body, parse, **which))

    async def denoise(self, picture: Picture, **which: Unpack[ChosenModel]) -> bytes:
        """The picture without its noise, as PNG."""
        return await self._ask(_upload("/v1/denoise", _read(picture), bytes, **which))

    async def compress(self, picture: Picture, **which: Unpack[CompressParameters]) -> bytes:
        """The picture as a code for `decompress`."""
        return await self._ask(_upload("/v1/compress", _read(picture), bytes, **which))

    async def decompress(self, code: Picture) -> bytes:
        """The picture in a code, as PNG."""
        return await self._ask(_upload("/v1/decompress", _read(code), bytes))

    async def text(self, prompt: str, **options: Unpack[TextParameters]) -> TextAnswer:
        """How the prompt goes on."""
        return await self._ask(_text(prompt, options))

    async def stream_text(
        self, prompt: str, **options: Unpack[TextParameters]
    ) -> AsyncIterator[str]:
        """The same in pieces, as it is written; it stops where you stop."""
        call, events = _text(prompt, options, stream=True), _Events()
        async with self._http.stream(call.method, call.path, **call.options) as answer:
            if not answer.is_success:
                await answer.aread()
                _checked(answer)
            async for line in answer.aiter_lines():
                if piece := events.piece(line):
                    yield piece
