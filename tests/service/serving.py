"""An application in this process, and a client that talks ASGI to it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from service.app import create_app
from service.middleware.request_log import Observer
from service.scheduling.pool import Pool
from service.settings import Settings
from service.state import Running

__all__ = ["Caller", "busy", "problem_of", "serving", "state_of"]


@asynccontextmanager
async def serving(
    store: Path, *, observers: Sequence[Observer] = (), **settings: object
) -> AsyncIterator[httpx.AsyncClient]:
    """A started application that has loaded `store`, with one compute thread unless told."""
    values = {"store": store, "threads": 1, "reload_s": 0, **settings}
    app = create_app(Settings.model_validate(values), observers=observers)
    async with app.router.lifespan_context(app):
        while not state_of(app).registry.shelf.complete:
            await asyncio.sleep(0.005)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://deepshelf") as client:
            yield client


def app_of(client: httpx.AsyncClient) -> FastAPI:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app
    assert isinstance(app, FastAPI)
    return app


def state_of(owner: FastAPI | httpx.AsyncClient) -> Running:
    app = owner if isinstance(owner, FastAPI) else app_of(owner)
    running = app.state.running
    assert isinstance(running, Running)
    return running


@contextmanager
def busy(pool: Pool) -> Iterator[None]:
    """Keeps one compute thread of `pool` occupied inside the block."""
    release = threading.Event()
    pool.submit(lambda _: release.wait(20), pool.gate.now())
    try:
        yield
    finally:
        release.set()


def problem_of(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem document of an answer that must be one, with everything RFC 9457 asks for."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance", "request_id"} <= set(problem)
    assert problem["request_id"] == answer.headers["x-request-id"]
    for leak in ("Traceback", "site-packages", 'File "', "0x"):
        assert leak not in answer.text
    return problem


class Caller:
    """One request, by ASGI alone, so that the client can leave at any moment."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        body: bytes,
        *,
        more: bool = False,
        path: str = "/v1/classify",
    ) -> None:
        self._app = app_of(client)
        self._messages = [{"type": "http.request", "body": body, "more_body": more}]
        self._path = path
        self.left = asyncio.Event()
        self.answering = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    @property
    def unread(self) -> bool:
        return bool(self._messages)

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.answering.set()

    async def run(self) -> int:
        scope = {
            "type": "http", "method": "POST", "path": self._path, "raw_path": self._path.encode(),
            "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
            "root_path": "", "server": ("deepshelf", 80), "client": ("test", 1),
        }  # fmt: skip
        await self._app(scope, self._receive, self._send)
        status = self.sent[0]["status"]
        assert isinstance(status, int)
        return status
