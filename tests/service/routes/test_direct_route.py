"""Routes whose endpoint takes only the request, and HEAD on every route that has GET."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from service.observability.request_log import CompletedRequest
from service.routes.http.direct_route import add_router, create_router
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import running_app

pytestmark = pytest.mark.anyio


async def test_requests_are_logged_under_their_route(store: Path) -> None:
    completed: list[CompletedRequest] = []
    async with running_app(store, observers=[completed.append]) as client:
        await client.post("/v1/classify", content=encode_png(solid_image(8, 8, (255, 0, 0))))
        await client.post("/v1/classify", content=b"nothing")
    assert [(request.route, request.status) for request in completed] == [
        ("/v1/classify", 200),
        ("/v1/classify", 415),
    ]


async def test_root_path_is_not_part_of_the_route(store: Path) -> None:
    async with running_app(store, root_path="/prefix") as client:
        response = await client.post(
            "/prefix/v1/classify", content=encode_png(solid_image(8, 8, (255, 0, 0)))
        )
    assert response.status_code == 200


async def test_direct_and_parametrised_endpoints_share_a_router() -> None:
    router = create_router(prefix="/v1")

    @router.post("/plain")
    async def plain(request: Request) -> Response:
        return Response(f"plain {'fastapi_inner_astack' in request.scope}")

    @router.post("/named/{name}")
    async def named(request: Request, name: str) -> Response:
        return Response(f"{name} {'fastapi_inner_astack' in request.scope}")

    app = FastAPI()
    add_router(app, router)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        assert (await client.post("/v1/plain")).text == "plain False"
        assert (await client.post("/v1/named/x")).text == "x True"
        rejected = await client.get("/v1/plain")
    assert (rejected.status_code, rejected.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/livez", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json",
        "/problems/invalid", "/page/icon.svg", "/v1/models", "/v1/models/paint",
        "/v1/models/paint/preview", "/v1/models/paint/filters", "/v2", "/v2/health/live",
        "/v2/health/ready", "/v2/models/paint", "/v2/models/paint/ready",
        "/v2/models/paint/config", "/v2/models/stats", "/v2/models/paint/versions/1",
        "/openai/v1/models", "/docs/assets/swagger-ui.css",
    ],
)  # fmt: skip
async def test_head_has_the_headers_of_get_and_no_body(
    client: httpx.AsyncClient, path: str
) -> None:
    get, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers.get("content-type") == get.headers.get("content-type")


async def test_head_of_a_route_without_get_names_the_accepted_methods(
    client: httpx.AsyncClient,
) -> None:
    response = await client.head("/v1/classify")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_405_names_every_method_of_its_path(store: Path) -> None:
    async with running_app(store) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            response = await client.request("TRACE", path.replace("{", "").replace("}", ""))
            methods = {method.upper() for method in operations} & {"GET", "POST", "PUT", "DELETE"}
            expected = methods | ({"HEAD"} if "GET" in methods else set())
            assert response.status_code == 405, path
            assert set(response.headers["allow"].split(", ")) >= expected, path
        allowed = (await client.put("/v1/game")).headers["allow"]
    assert allowed == "GET, HEAD, POST"
