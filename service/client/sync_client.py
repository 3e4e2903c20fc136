"""The client that waits."""

from collections.abc import Iterator
from typing import Self, TypeVar, Unpack

import httpx

from service.client.requests import (
    LIST_MODELS,
    TIMEOUT_S,
    ApiCall,
    ClassifyParameters,
    CompressParameters,
    DenoiseParameters,
    FacesParameters,
    FileInput,
    HandwritingParameters,
    TextParameters,
    classify,
    generate_text,
    get_image,
    upload,
)
from service.client.responses import TextEventParser, raise_for_problem
from service.schemas.classify import ClassifyResponse
from service.schemas.models import ModelsResponse
from service.schemas.text import TextResponse

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

    def _send(self, call: ApiCall[ResultT]) -> ResultT:
        response = self._http.request(call.method, call.path, **call.request_kwargs)
        return call.parse(raise_for_problem(response))

    def models(self) -> ModelsResponse:
        """List the models and the state of each version."""
        return self._send(LIST_MODELS)

    def classify(self, image: FileInput, **params: Unpack[ClassifyParameters]) -> ClassifyResponse:
        """Labels with probabilities, best first."""
        return self._send(classify(image, params))

    def denoise(self, image: FileInput, **params: Unpack[DenoiseParameters]) -> bytes:
        """The image without its noise, as PNG."""
        return self._send(upload("/v1/denoise", image, params))

    def compress(self, image: FileInput, **params: Unpack[CompressParameters]) -> bytes:
        """The image as a code for `decompress`."""
        return self._send(upload("/v1/compress", image, params))

    def decompress(self, code: FileInput) -> bytes:
        """The image in a code, as PNG."""
        return self._send(upload("/v1/decompress", code, {}))

    def faces(self, **params: Unpack[FacesParameters]) -> bytes:
        """Faces that nobody has, side by side as PNG."""
        return self._send(get_image("/v1/faces", "image/png", params))

    def handwriting(self, text: str, **params: Unpack[HandwritingParameters]) -> bytes:
        """The text as a pen would write it, as PNG."""
        return self._send(get_image("/v1/handwriting", "image/png", {"text": text, **params}))

    def text(self, prompt: str, **params: Unpack[TextParameters]) -> TextResponse:
        """Continue the prompt."""
        return self._send(generate_text(prompt, params))

    def stream_text(self, prompt: str, **params: Unpack[TextParameters]) -> Iterator[str]:
        """The same in pieces, as it is written; it stops where you stop."""
        call, parser = generate_text(prompt, params, stream=True), TextEventParser()
        with self._http.stream(call.method, call.path, **call.request_kwargs) as response:
            if not response.is_success:
                response.read()
                raise_for_problem(response)
            for line in response.iter_lines():
                if chunk := parser.parse_line(line):
                    yield chunk
