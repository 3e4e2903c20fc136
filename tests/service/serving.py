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
from service.observability.request_log import Observer
from service.scheduling.admission import Ticket
from service.scheduling.pool import InferencePool
from service.settings import Settings
from service.state import AppState
from tests.waiting import LIMIT_S, until


@asynccontextmanager
async def running_app(
    store: Path, *, observers: Sequence[Observer] = (), **settings: object
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a started application that has loaded `store`; default: one thread."""
    values = {"store": store, "threads": 1, "store_poll_interval_s": 0, **settings}
    app = create_app(Settings.model_validate(values), observers=observers)
    async with app.router.lifespan_context(app):
        await until(lambda: get_app_state(app).registry.catalog.first_scan_done)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://deepshelf") as client:
            yield client


def get_app(client: httpx.AsyncClient) -> FastAPI:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app
    assert isinstance(app, FastAPI)
    return app


def get_app_state(app_or_client: FastAPI | httpx.AsyncClient) -> AppState:
    app = app_or_client if isinstance(app_or_client, FastAPI) else get_app(app_or_client)
    state = app.state.app_state
    assert isinstance(state, AppState)
    return state


@contextmanager
def occupied_thread(pool: InferencePool) -> Iterator[None]:
    """Occupy one compute thread of `pool` inside the block."""
    started, release = threading.Event(), threading.Event()

    def occupy(_: Ticket) -> None:
        started.set()
        release.wait(LIMIT_S)

    # As if it arrived later: it starts however short the deadline is.
    pool.submit(occupy, pool.admission.now() + LIMIT_S)
    assert started.wait(LIMIT_S)
    try:
        yield
    finally:
        release.set()


def assert_problem(response: httpx.Response, status: int) -> dict[str, object]:
    """Return the problem document of the response, which must have all members of RFC 9457."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = response.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance", "request_id"} <= set(problem)
    assert problem["request_id"] == response.headers["x-request-id"]
    for leak in ("Traceback", "site-packages", 'File "', "0x"):
        assert leak not in response.text
    return problem


class AsgiRequest:
    """One request over ASGI, whose client can disconnect at any moment."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        body: bytes,
        *,
        more_body: bool = False,
        path: str = "/v1/classify",
    ) -> None:
        self._app = get_app(client)
        self._messages = [{"type": "http.request", "body": body, "more_body": more_body}]
        self._path = path
        self.disconnected = asyncio.Event()
        self.response_started = asyncio.Event()
        self.sent_messages: list[dict[str, Any]] = []

    @property
    def has_unread_body(self) -> bool:
        return bool(self._messages)

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop()
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent_messages.append(message)
        self.response_started.set()

    async def run(self) -> int:
        scope = {
            "type": "http", "method": "POST", "path": self._path, "raw_path": self._path.encode(),
            "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
            "root_path": "", "server": ("deepshelf", 80), "client": ("test", 1),
        }  # fmt: skip
        await self._app(scope, self._receive, self._send)
        status = self.sent_messages[0]["status"]
        assert isinstance(status, int)
        return status
