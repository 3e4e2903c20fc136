"""The short way to a route does what FastAPI's own does."""

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.middleware.request_log import CompletedRequest
from service.routes.http.direct_route import DirectRouteMiddleware
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import running_app

pytestmark = pytest.mark.anyio


async def test_a_request_that_took_it_is_counted_under_its_route(store: Path) -> None:
    seen: list[CompletedRequest] = []
    async with running_app(store, observers=[seen.append]) as client:
        await client.post("/v1/classify", content=encode_png(solid_image(8, 8, (255, 0, 0))))
        await client.post("/v1/classify", content=b"nothing")
    assert [(one.route, one.status) for one in seen] == [
        ("/v1/classify", 200),
        ("/v1/classify", 415),
    ]


async def test_a_root_path_is_no_part_of_the_route(store: Path) -> None:
    async with running_app(store, root_path="/shelf") as client:
        answer = await client.post(
            "/shelf/v1/classify", content=encode_png(solid_image(8, 8, (255, 0, 0)))
        )
    assert answer.status_code == 200


async def test_whatever_has_parameters_in_its_path_or_is_no_post_goes_the_long_way() -> None:
    router, inner = APIRouter(prefix="/v1"), []

    @router.post("/plain")
    async def plain(request: Request) -> Response:
        return Response(request.method)

    @router.post("/named/{name}")
    async def named(request: Request, name: str) -> Response:
        return Response(name)

    @router.get("/plain")
    async def read(request: Request) -> Response:
        return Response("read")

    async def rest(scope: Scope, _: Receive, __: Send) -> None:
        inner.append((scope["method"], scope["path"]))

    app = DirectRouteMiddleware(rest, [router])
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    for method, path in (("POST", "/v1/plain"), ("POST", "/v1/named/x"), ("GET", "/v1/plain")):
        scope = {
            "type": "http", "method": method, "path": path, "headers": [], "query_string": b"",
            "app": FastAPI(),
        }  # fmt: skip
        await app(scope, receive, send)
    assert inner == [("POST", "/v1/named/x"), ("GET", "/v1/plain")]
    assert len(sent) == 2
