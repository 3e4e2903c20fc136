"""HTTPS with a self-signed certificate."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from service.server import healthcheck
from tests.e2e.server import running_tls_server
from tests.fakes.image_models import encode_png, solid_image


def test_service_accepts_https_only(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"tls_certfile": chain, "tls_keyfile": key}
    with running_tls_server(store, tmp_path / "log", context, settings) as server:
        assert server.url.startswith("https://")
        with server.client() as client:
            response = client.post(
                "/v1/classify", content=encode_png(solid_image(9, 9, (255, 0, 0)))
            )
            assert response.json()["results"][0]["predictions"][0]["label"] == "red"
            assert "strict-transport-security" in response.headers
            assert "server" not in response.headers
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{server.url}/livez")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/livez")
        monkeypatch.setenv("DEEPSHELF_PORT", str(server.port))
        assert healthcheck.main([]) == 1  # TLS is not configured here
        monkeypatch.setenv("DEEPSHELF_TLS_CERTFILE", str(chain))
        assert healthcheck.main([]) == 0
        assert f"open https://127.0.0.1:{server.port}/" in server.read_log()
