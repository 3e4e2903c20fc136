import re

import httpx
import pytest

from service.errors import ServiceError
from service.routes.ops.docs import _error_types
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/"])
async def test_a_page_asks_nothing_of_another_host(client: httpx.AsyncClient, page: str) -> None:
    response = await client.get(page)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", response.text)
    assert "googleapis" not in response.text
    assert "cdn" not in response.text


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_everything_that_a_page_asks_for_is_served_here(
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
    assert "curl -F image=@cat.jpg http://127.0.0.1:8000/v1/classify" in text
    assert 'href="docs"' in text


@pytest.mark.parametrize("kind", list(_error_types(ServiceError)))
async def test_every_kind_of_problem_has_a_page_where_its_type_leads(
    client: httpx.AsyncClient, kind: type[ServiceError]
) -> None:
    assert kind.title in await _text(client, f"/problems/{kind.slug}")


async def test_an_unknown_kind_of_problem_is_not_found(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/problems/none"), 404)
