from pathlib import Path

import httpx
import pytest

from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import running_app

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))
NEEDED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PLACES = [
    ("GET", "/livez"), ("GET", "/v1/models"), ("GET", "/nothing"), ("GET", "/v1/classify"),
    ("POST", "/v1/classify"), ("POST", "/v1/denoise"), ("GET", "/docs"), ("GET", "/"),
    ("GET", "/docs/assets/swagger-ui.css"), ("GET", "/metrics"),
    ("GET", "/v1/models/paint/preview"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PLACES)
async def test_every_response_has_the_security_headers(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path, content=IMAGE if method == "POST" else None)
    for name, value in NEEDED.items():
        assert response.headers[name] == value
    assert "content-security-policy" in response.headers
    assert "strict-transport-security" not in response.headers
    for leak in ("server", "x-powered-by"):
        assert leak not in response.headers


async def test_responses_that_are_no_pages_are_sandboxed(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/v1/models/paint/preview")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox" in policy


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_runs_no_script_that_is_not_ours(
    client: httpx.AsyncClient, path: str
) -> None:
    policy = (await client.get(path)).headers["content-security-policy"]
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in scripts
    assert "*" not in policy


async def test_responses_over_tls_have_hsts(client: httpx.AsyncClient) -> None:
    response = await client.get("https://deepshelf/livez")
    assert response.headers["strict-transport-security"].startswith("max-age=")


ORIGIN = {"origin": "https://example.org"}
ASKING = {**ORIGIN, "access-control-request-method": "POST"}


async def test_pages_of_other_origins_get_nothing_by_default(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/models", headers=ORIGIN)
    assert "access-control-allow-origin" not in response.headers
    assert (await client.options("/v1/classify", headers=ASKING)).status_code == 405


async def test_pages_of_an_allowed_origin_may_send_requests(store: Path) -> None:
    key = f"alice sha256:{'0' * 64}"
    async with running_app(store, cors_origins="https://example.org", keys=key) as client:
        preflight = await client.options("/v1/classify", headers=ASKING)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://example.org"
        rejected = await client.get("/v1/models", headers=ORIGIN)  # so that the page can read why
        assert rejected.status_code == 401
        assert rejected.headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-credentials" not in rejected.headers
        assert "cross-origin-resource-policy" not in rejected.headers
        other = await client.get("/v1/models", headers={"origin": "https://example.com"})
        assert "access-control-allow-origin" not in other.headers
