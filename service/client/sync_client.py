"""The blocking client."""

from collections.abc import Iterator, Mapping
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
    generate_text,
    get_image,
    predict,
    upload,
)
from service.client.responses import TextEventParser, raise_for_problem
from service.schemas.classify import ClassifyResponse
from service.schemas.models import ModelsResponse
from service.schemas.predict import PredictResponse
from service.schemas.text import TextResponse

ResultT = TypeVar("ResultT")


class Client:
    """Sends requests to the service at `url`, with an API `key` if it requires one.

    Several threads may send requests; only one of them may close it.
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
        """Return labels with probabilities, best first."""
        return self._send(
            upload("/v1/classify", image, ClassifyResponse.model_validate_json, params)
        )

    def denoise(self, image: FileInput, **params: Unpack[DenoiseParameters]) -> bytes:
        """Return the denoised image as PNG."""
        return self._send(upload("/v1/denoise", image, bytes, params))

    def compress(self, image: FileInput, **params: Unpack[CompressParameters]) -> bytes:
        """Return the image as a code for `decompress`."""
        return self._send(upload("/v1/compress", image, bytes, params))

    def decompress(self, code: FileInput) -> bytes:
        """Return the image that a code holds, as PNG."""
        return self._send(upload("/v1/decompress", code, bytes, {}))

    def faces(self, **params: Unpack[FacesParameters]) -> bytes:
        """Return generated faces, side by side as PNG."""
        return self._send(get_image("/v1/faces", params))

    def handwriting(self, text: str, **params: Unpack[HandwritingParameters]) -> bytes:
        """Return the text in generated handwriting, as PNG."""
        return self._send(get_image("/v1/handwriting", {"text": text, **params}))

    def predict(
        self, model: str, inputs: Mapping[str, object], *, version: int | None = None
    ) -> PredictResponse:
        """Run any model on tensors: nested lists by the names of its inputs."""
        return self._send(predict(model, inputs, version))

    def text(self, prompt: str, **params: Unpack[TextParameters]) -> TextResponse:
        """Continue the prompt."""
        return self._send(generate_text(prompt, params))

    def stream_text(self, prompt: str, **params: Unpack[TextParameters]) -> Iterator[str]:
        """Yield the text in chunks as it is generated. Closing the iterator cancels generation."""
        call, parser = generate_text(prompt, params, stream=True), TextEventParser()
        with self._http.stream(call.method, call.path, **call.request_kwargs) as response:
            if not response.is_success:
                response.read()
                raise_for_problem(response)
            for line in response.iter_lines():
                if chunk := parser.parse_line(line):
                    yield chunk
