"""The real application in this process, called over ASGI without a client."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from models_store.add.division import guard_divisions
from service.app import create_app
from service.settings import Settings
from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.handwriting import StraightLineModel, publish_handwriting_model
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.fakes.tensor_models import (
    THREE_INPUTS,
    make_model,
    publish_tensors_model,
    three_inputs_model,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model

_EXPECTED_SERVER_ERRORS = {503, 504}
"""Expected error statuses: queue full, or deadline exceeded."""
_MAX_ERROR_BYTES = 20_000


class AppUnderTest:
    """The application, started once. Each `post` sends one request and waits for its end."""

    def __init__(self) -> None:
        """Publish a small model of each task that takes a body, and load them."""
        store = Path(tempfile.mkdtemp(prefix="deepshelf-fuzz-"))
        publish_image_model(store, "paint", MeanColorClassifier())
        publish_text_model(store, "alphabet", AlphabetModel())
        publish_factorized_codec(store, "squeeze", FakeFactorizedCodec())
        publish_handwriting_model(store, "ruler", StraightLineModel())
        publish_tensors_model(store, "three", three_inputs_model(), THREE_INPUTS)
        _publish_ratio(store)
        settings = {
            "store": store,
            "threads": 1,
            "store_poll_interval_s": 0,
            "max_text_chars": 50,
            "log_level": "error",
            "max_body_bytes": 1 << 20,
            "max_pixels": 1_000_000,
        }
        self._app = create_app(Settings.model_validate(settings))
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._start())

    async def _start(self) -> None:
        self._lifespan = self._app.router.lifespan_context(self._app)
        await self._lifespan.__aenter__()
        while not self._app.state.app_state.registry.catalog.first_scan_done:
            await asyncio.sleep(0.01)

    @property
    def registry(self) -> Any:
        return self._app.state.app_state.registry

    def post(self, path: str, chunks: Sequence[bytes], headers: Mapping[str, str]) -> None:
        """Send a request. Raises AssertionError for an unexpected response."""
        status, body = self._loop.run_until_complete(self._post(path, chunks, headers))
        if status < 400:
            return
        assert status < 500 or status in _EXPECTED_SERVER_ERRORS, body[:2000]
        assert len(body) < _MAX_ERROR_BYTES, body[:2000]
        key = "error" if path.startswith(("/v2", "/openai")) else "detail"
        assert json.loads(body)[key], body
        assert b"Traceback" not in body, body

    async def _post(
        self, path: str, chunks: Sequence[bytes], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        size = sum(map(len, chunks))
        request_headers = {"host": "deepshelf", "content-length": str(size), **headers}
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(name.encode(), value.encode()) for name, value in request_headers.items()],
        }  # fmt: skip
        messages = [
            {"type": "http.request", "body": piece, "more_body": number < len(chunks)}
            for number, piece in enumerate(chunks, start=1)
        ]
        never = asyncio.Event()
        status, parts = 0, []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await never.wait()  # a task that watches for a disconnect
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return status, b"".join(parts)


def _publish_ratio(store: Path) -> None:
    """Publish a graph that divides one number by another, and can end the process unguarded."""
    number = (TensorProto.INT64, ["batch"])
    node = helper.make_node("Div", ["a", "b"], ["c"])
    model = make_model([node], {"a": number, "b": number}, {"c": number})
    inputs = {"a": np.array([7, 6]), "b": np.array([2, 3])}
    publish_tensors_model(store, "ratio", guard_divisions(model), inputs)
