import re
from pathlib import Path

import httpx
import pytest

from service.routes.ops.playground import PLAYGROUND_CSP
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[3] / "service" / "page"
FILES = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.is_file())
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
}


@pytest.mark.parametrize("name", FILES)
async def test_every_file_of_the_page_has_its_media_type(
    client: httpx.AsyncClient, name: str
) -> None:
    response = await client.get(f"/page/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == TYPES[name.rpartition(".")[2]]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.content == (FOLDER / name).read_bytes()


async def test_the_page_allows_nothing_inline_and_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/")
    assert response.headers["content-security-policy"] == PLAYGROUND_CSP
    assert "unsafe" not in PLAYGROUND_CSP
    assert not re.findall(r"<style|<script(?![^>]* src=)| style=| on\w+=", response.text)
    everything = "\n".join(
        (FOLDER / name).read_text() for name in FILES if name.endswith((".js", ".css"))
    )
    assert set(re.findall(r"https?://[^']*", everything)) == {
        "https://archive.ics.uci.edu/dataset/81",  # links of the credits
        "https://creativecommons.org/licenses/by/4.0/",
    }


async def test_an_unchanged_file_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for path in ("/", "/page/css/base.css"):
        first = await client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["content-security-policy"] == PLAYGROUND_CSP


async def test_every_module_and_file_that_is_named_exists() -> None:
    for name in FILES:
        if name.endswith(".js"):
            for target in re.findall(r"from '(\.[^']+)'", (FOLDER / name).read_text()):
                assert (FOLDER / name).parent.joinpath(target).resolve().is_file(), (name, target)
    for target in re.findall(r'(?:src|href)="page/([^"]+)"', (FOLDER / "index.html").read_text()):
        assert target in FILES


@pytest.mark.parametrize(
    "path", ["/page/none.js", "/page/../app.py", "/page/%2e%2e/app.py", "/page/js"]
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.get(path), 404)
