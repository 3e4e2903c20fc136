"""The client for asyncio: what `blocking` has, to be awaited."""

from collections.abc import AsyncIterator
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

__all__ = ["AsyncClient"]

ResultT = TypeVar("ResultT")


class AsyncClient:
    """Talks to the service at `url`, with an API `key` where it wants one."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _ask(self, call: Call[ResultT]) -> ResultT:
        answer = await self._http.request(call.method, call.path, **call.options)
        return call.result(checked(answer))

    async def models(self) -> ModelsAnswer:
        """What is on the shelf."""
        return await self._ask(MODELS)

    async def classify(
        self, picture: Picture, **which: Unpack[ClassifyParameters]
    ) -> ClassifyAnswer:
        """Labels with probabilities, best first."""
        return await self._ask(classify(picture, which))

    async def denoise(self, picture: Picture, **which: Unpack[ChosenModel]) -> bytes:
        """The picture without its noise, as PNG."""
        return await self._ask(upload("/v1/denoise", picture, which))

    async def compress(self, picture: Picture, **which: Unpack[CompressParameters]) -> bytes:
        """The picture as a code for `decompress`."""
        return await self._ask(upload("/v1/compress", picture, which))

    async def decompress(self, code: Picture) -> bytes:
        """The picture in a code, as PNG."""
        return await self._ask(upload("/v1/decompress", code, {}))

    async def faces(self, **which: Unpack[FacesParameters]) -> bytes:
        """Faces that nobody has, side by side as PNG."""
        return await self._ask(drawn("/v1/faces", "image/png", which))

    async def handwriting(self, text: str, **how: Unpack[HandwritingParameters]) -> bytes:
        """The text as a pen would write it, as PNG."""
        return await self._ask(drawn("/v1/handwriting", "image/png", {"text": text, **how}))

    async def text(self, prompt: str, **options: Unpack[TextParameters]) -> TextAnswer:
        """How the prompt goes on."""
        return await self._ask(text(prompt, options))

    async def stream_text(
        self, prompt: str, **options: Unpack[TextParameters]
    ) -> AsyncIterator[str]:
        """The same in pieces, as it is written; it stops where you stop."""
        call, events = text(prompt, options, stream=True), Events()
        async with self._http.stream(call.method, call.path, **call.options) as answer:
            if not answer.is_success:
                await answer.aread()
                checked(answer)
            async for line in answer.aiter_lines():
                if piece := events.piece(line):
                    yield piece
