"""The client that waits."""

from collections.abc import Iterator
from typing import Self, TypeVar, Unpack

import httpx

from service.client.requests import (
    MODELS,
    TIMEOUT_S,
    Call,
    ChosenModel,
    ClassifyParameters,
    CompressParameters,
    FacesParameters,
    HandwritingParameters,
    Picture,
    TextParameters,
    classify,
    drawn,
    text,
    upload,
)
from service.client.responses import Events, checked
from service.schemas.classify import ClassifyAnswer
from service.schemas.models import ModelsAnswer
from service.schemas.text import TextAnswer

__all__ = ["Client"]

ResultT = TypeVar("ResultT")


class Client:
    """Talks to the service at `url`, with an API `key` where it wants one.

    Not one for several threads at once to close.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _ask(self, call: Call[ResultT]) -> ResultT:
        answer = self._http.request(call.method, call.path, **call.options)
        return call.result(checked(answer))

    def models(self) -> ModelsAnswer:
        """What is on the shelf."""
        return self._ask(MODELS)

    def classify(self, picture: Picture, **which: Unpack[ClassifyParameters]) -> ClassifyAnswer:
        """Labels with probabilities, best first."""
        return self._ask(classify(picture, which))

    def denoise(self, picture: Picture, **which: Unpack[ChosenModel]) -> bytes:
        """The picture without its noise, as PNG."""
        return self._ask(upload("/v1/denoise", picture, which))

    def compress(self, picture: Picture, **which: Unpack[CompressParameters]) -> bytes:
        """The picture as a code for `decompress`."""
        return self._ask(upload("/v1/compress", picture, which))

    def decompress(self, code: Picture) -> bytes:
        """The picture in a code, as PNG."""
        return self._ask(upload("/v1/decompress", code, {}))

    def faces(self, **which: Unpack[FacesParameters]) -> bytes:
        """Faces that nobody has, side by side as PNG."""
        return self._ask(drawn("/v1/faces", "image/png", which))

    def handwriting(self, text: str, **how: Unpack[HandwritingParameters]) -> bytes:
        """The text as a pen would write it, as PNG."""
        return self._ask(drawn("/v1/handwriting", "image/png", {"text": text, **how}))

    def text(self, prompt: str, **options: Unpack[TextParameters]) -> TextAnswer:
        """How the prompt goes on."""
        return self._ask(text(prompt, options))

    def stream_text(self, prompt: str, **options: Unpack[TextParameters]) -> Iterator[str]:
        """The same in pieces, as it is written; it stops where you stop."""
        call, events = text(prompt, options, stream=True), Events()
        with self._http.stream(call.method, call.path, **call.options) as answer:
            if not answer.is_success:
                answer.read()
                checked(answer)
            for line in answer.iter_lines():
                if piece := events.piece(line):
                    yield piece
