"""The asyncio client: the methods of `Client`, as coroutines."""

from collections.abc import AsyncIterator, Mapping
from typing import Self, TypeVar, Unpack

try:
    import httpx
except ModuleNotFoundError:
    message = "the client needs httpx: pip install 'deepshelf[client]'"
    raise ModuleNotFoundError(message, name="httpx") from None

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


class AsyncClient:
    """Sends requests to the service at `url`, with an API `key` if it requires one."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _send(self, call: ApiCall[ResultT]) -> ResultT:
        response = await self._http.request(call.method, call.path, **call.request_kwargs)
        return call.parse(raise_for_problem(response))

    async def models(self) -> ModelsResponse:
        """List the models and the state of each version."""
        return await self._send(LIST_MODELS)

    async def classify(
        self, image: FileInput, **params: Unpack[ClassifyParameters]
    ) -> ClassifyResponse:
        """Return labels with probabilities, best first."""
        return await self._send(
            upload("/v1/classify", image, ClassifyResponse.model_validate_json, params)
        )

    async def denoise(self, image: FileInput, **params: Unpack[DenoiseParameters]) -> bytes:
        """Return the denoised image as PNG."""
        return await self._send(upload("/v1/denoise", image, bytes, params))

    async def compress(self, image: FileInput, **params: Unpack[CompressParameters]) -> bytes:
        """Return the image as a code for `decompress`."""
        return await self._send(upload("/v1/compress", image, bytes, params))

    async def decompress(self, code: FileInput) -> bytes:
        """Return the image that a code holds, as PNG."""
        return await self._send(upload("/v1/decompress", code, bytes, {}))

    async def faces(self, **params: Unpack[FacesParameters]) -> bytes:
        """Return generated faces, side by side as PNG."""
        return await self._send(get_image("/v1/faces", params))

    async def handwriting(self, text: str, **params: Unpack[HandwritingParameters]) -> bytes:
        """Return the text in generated handwriting, as PNG."""
        return await self._send(get_image("/v1/handwriting", {"text": text, **params}))

    async def predict(
        self, model: str, inputs: Mapping[str, object], *, version: int | None = None
    ) -> PredictResponse:
        """Run any model on tensors: nested lists by the names of its inputs."""
        return await self._send(predict(model, inputs, version))

    async def text(self, prompt: str, **params: Unpack[TextParameters]) -> TextResponse:
        """Continue the prompt."""
        return await self._send(generate_text(prompt, params))

    async def stream_text(
        self, prompt: str, **params: Unpack[TextParameters]
    ) -> AsyncIterator[str]:
        """Yield the text in chunks as it is generated. Closing the iterator cancels generation."""
        call, parser = generate_text(prompt, params, stream=True), TextEventParser()
        async with self._http.stream(call.method, call.path, **call.request_kwargs) as response:
            if not response.is_success:
                await response.aread()
                raise_for_problem(response)
            async for line in response.aiter_lines():
                if chunk := parser.parse_line(line):
                    yield chunk
