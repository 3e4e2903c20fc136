import re

import httpx
import pytest

from service.errors import ServiceError
from service.routes.ops.docs import _error_types
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/"])
async def test_page_requests_nothing_from_other_hosts(client: httpx.AsyncClient, page: str) -> None:
    response = await client.get(page)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", response.text)
    assert "googleapis" not in response.text
    assert "cdn" not in response.text


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_everything_that_a_page_requests_is_served_here(
    client: httpx.AsyncClient, page: str
) -> None:
    requested = re.findall(
        r"""(?:src|href|url|spec-url)[=:]\s*["'](/[^"']+)["']""", await _text(client, page)
    )
    assert len(requested) >= 3
    for url in requested:
        assert (await client.get(url)).status_code == 200, url


async def _text(client: httpx.AsyncClient, page: str) -> str:
    return (await client.get(page)).text


async def test_page_links_to_the_documentation_and_has_a_curl_command_without_scripts(
    client: httpx.AsyncClient,
) -> None:
    text = await _text(client, "/")
    assert "curl -F image=@cat.jpg http://deepshelf/v1/classify" in text
    assert 'href="docs"' in text


@pytest.mark.parametrize("kind", list(_error_types(ServiceError)))
async def test_every_problem_type_links_to_its_page(
    client: httpx.AsyncClient, kind: type[ServiceError]
) -> None:
    assert kind.title in await _text(client, f"/problems/{kind.slug}")


async def test_redoc_loads_its_logo_from_the_service(client: httpx.AsyncClient) -> None:
    script = await _text(client, "/docs/assets/redoc.standalone.js")
    assert "cdn.redoc.ly" not in script
    assert '"/docs/assets/favicon.png"' in script


_BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_browser_gets_an_html_page_for_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/<nope>", headers=_BROWSER)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<code>/&lt;nope&gt;</code>" in response.text
    assert 'href="/docs"' in response.text


@pytest.mark.parametrize(
    ("accepted", "heading"),
    [
        ("es-ES,es;q=0.9,en;q=0.8", "No encontrado"),
        ("eu, es", "No encontrado"),
        ("en-GB, es", "Not found"),
        ("fr", "Not found"),
    ],
)
async def test_page_for_404_is_in_the_language_of_the_playground(
    client: httpx.AsyncClient, accepted: str, heading: str
) -> None:
    response = await client.get("/nope", headers={**_BROWSER, "Accept-Language": accepted})
    assert f"<h1>{heading}</h1>" in response.text
    assert "Accept-Language" in response.headers["vary"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/clasify", "there is nothing at /v1/clasify; did you mean /v1/classify? /docs lists"),
        ("/xyz", "there is nothing at /xyz; /docs lists the routes"),
    ],
)
async def test_unknown_path_gets_the_nearest_route(
    client: httpx.AsyncClient, path: str, message: str
) -> None:
    assert message in str(assert_problem(await client.get(path), 404)["detail"])


@pytest.mark.parametrize("path", ["/nope", "/v2/nope", "/openai/v1/nope"])
async def test_client_gets_json_for_404(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"Accept": "application/json"}):
        response = await client.get(path, headers=headers)
        assert response.status_code == 404
        assert "json" in response.headers["content-type"]
    if path != "/nope":
        assert "json" in (await client.get(path, headers=_BROWSER)).headers["content-type"]


async def test_an_unknown_kind_of_problem_is_not_found(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/problems/none"), 404)
