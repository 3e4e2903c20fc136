"""Requests as clients in the field send them: codings, byte order marks, HTTP/1.0, CORS."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.generator import publish_generator
from tests.fakes.image_models import (
    BoxBlurDenoiser,
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import assert_problem, get_app, running_app

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(40, 40, (10, 13, 10)))
BODIES: dict[str, bytes] = {
    "/v1/classify": IMAGE,
    "/v1/denoise": IMAGE,
    "/v1/compress": IMAGE,
    "/v1/text": b'{"prompt": "a", "max_chars": 2}',
    "/v1/faces": b'{"count": 1}',
    "/v1/faces/morph": b'{"steps": 2}',
    "/openai/v1/completions": b'{"prompt": "a"}',
    "/v2/models/alphabet/infer": b'{"inputs": [{"name": "text_input", "shape": [1], '
    b'"datatype": "BYTES", "data": ["a"]}]}',
    "/v2/repository/index": b'{"ready": true}',
}
"""Routes that read a body, with one that they accept; codes and forms are tested apart."""
JSON_PATHS = [path for path, body in BODIES.items() if body is not IMAGE]


@pytest.fixture(scope="module")
async def client(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[httpx.AsyncClient]:
    store = tmp_path_factory.mktemp("store")
    publish_image_model(store, "paint", MeanColorClassifier())
    publish_image_model(store, "blur", BoxBlurDenoiser(mode="RGB"))
    publish_factorized_codec(store, "squeeze", FakeFactorizedCodec())
    publish_generator(store, "blobs")
    publish_text_model(store, "alphabet", AlphabetModel())
    async with running_app(store, cors_origins="https://example.org") as client:
        yield client


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_compressed_bodies_are_decoded(
    client: httpx.AsyncClient, path: str, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    response = await client.post(
        path, content=encode(BODIES[path]), headers={"content-encoding": coding}
    )
    assert response.status_code == 200, response.text


async def test_compressed_codes_and_forms_are_decoded(client: httpx.AsyncClient) -> None:
    headers = {"content-encoding": "gzip"}
    code = (await client.post("/v1/compress", content=IMAGE)).content
    response = await client.post("/v1/decompress", content=gzip.compress(code), headers=headers)
    assert response.status_code == 200, response.text
    request = client.build_request("POST", "/v1/classify", files={"image": IMAGE})
    headers["content-type"] = request.headers["content-type"]
    response = await client.post(
        "/v1/classify", content=gzip.compress(request.read()), headers=headers
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", [*BODIES, "/v1/decompress"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
async def test_unknown_content_codings_are_named(
    client: httpx.AsyncClient, path: str, coding: str
) -> None:
    response = await client.post(
        path, content=BODIES.get(path, b"x"), headers={"content-encoding": coding}
    )
    assert response.status_code == 415, response.text
    assert coding in response.text
    assert "gzip, deflate" in response.text


@pytest.mark.parametrize("path", JSON_PATHS)
async def test_a_byte_order_mark_before_json_is_accepted(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.post(path, content=b"\xef\xbb\xbf" + BODIES[path])
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", [path for path, body in BODIES.items() if body is IMAGE])
async def test_images_sent_by_curl_d_get_the_hint_to_data_binary(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    stripped = IMAGE.replace(b"\n", b"").replace(b"\r", b"")
    response = await client.post(path, content=stripped, headers=headers)
    assert 400 <= response.status_code < 500
    assert "--data-binary" in str(response.json()["detail"])
    assert (await client.post(path, content=IMAGE, headers=headers)).status_code == 200


async def test_empty_form_fields_are_fields_left_out(client: httpx.AsyncClient) -> None:
    form: dict[str, Any] = {
        "image": ("a.png", IMAGE),
        "reference": ("", b""),  # a file input in which nothing was chosen
        "model": (None, ""),
        "version": (None, ""),
    }
    assert (await client.post("/v1/denoise", files=form)).status_code == 200
    response = await client.post("/v1/classify", files={"image": ("", b"")})
    assert "has no field image" in str(assert_problem(response, 422)["detail"])


async def test_a_file_without_a_file_name_is_read(client: httpx.AsyncClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + IMAGE + b"\r\n--b--"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await client.post("/v1/classify", content=body, headers=headers)
    assert response.status_code == 200, response.text


async def test_preflight_allows_the_headers_of_openais_javascript_client(
    client: httpx.AsyncClient,
) -> None:
    names = (
        "authorization,content-type,idempotency-key,openai-organization,openai-project,traceparent,"
        "x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
        "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
    )
    headers = {
        "origin": "https://example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": names,
    }
    response = await client.options("/openai/v1/completions", headers=headers)
    assert response.status_code == 200
    allowed = {name.strip() for name in response.headers["access-control-allow-headers"].split(",")}
    assert set(names.split(",")) <= allowed
    headers["origin"] = "https://example.com"
    assert (await client.options("/openai/v1/completions", headers=headers)).status_code == 400


async def test_pages_of_other_origins_can_read_every_header_of_ours(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    documented = {
        name.lower()
        for path in document["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for name in response.get("headers", {})
    }
    response = await client.get("/livez", headers={"origin": "https://example.org"})
    exposed = response.headers["access-control-expose-headers"].lower().split(", ")
    assert documented <= set(exposed)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/text", b'{"prompt": "a", "max_chars": 9, "stream": true}'),
        ("POST", "/openai/v1/completions", b'{"prompt": "a", "stream": true}'),
        ("GET", "/docs/assets/swagger-ui-bundle.js", b""),
        ("GET", "/page/index.html", b""),
    ],
)
async def test_responses_over_http_1_0_have_a_length(
    client: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError("the client does not disconnect")

    scope: Scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"accept-encoding", b"gzip")], "http_version": "1.0",
        "scheme": "http", "root_path": "", "server": ("deepshelf", 80), "client": ("test", 1),
    }  # fmt: skip
    app: Callable[[Scope, Receive, Send], Any] = get_app(client)
    await app(scope, receive, send)
    headers = dict(sent[0]["headers"])
    length = sum(len(message.get("body", b"")) for message in sent[1:])
    assert int(headers[b"content-length"]) == length > 0


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
async def test_json_in_another_encoding_than_utf_8_is_named(
    client: httpx.AsyncClient, path: str, encoding: str
) -> None:
    body = BODIES[path].decode().encode(encoding)
    response = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert f"it is in {encoding[:6].upper()}" in response.text
    assert "JSON is in UTF-8" in response.text


@pytest.mark.parametrize("path", ["/v1/faces?count=1", "/v1/faces/morph?steps=2"])
@pytest.mark.parametrize("accept", ["*/*", "application/json, image/gif"])
async def test_get_whose_type_depends_on_accept_says_so_to_caches(
    client: httpx.AsyncClient, path: str, accept: str
) -> None:
    response = await client.get(path, headers={"accept": accept})
    assert response.status_code == 200
    assert "accept" in response.headers["vary"].lower().split(", ")


@pytest.mark.parametrize("path", ["/docs/assets/swagger-ui-bundle.js", "/page/index.html"])
async def test_static_files_are_compressed_on_request(client: httpx.AsyncClient, path: str) -> None:
    compressed = await client.get(path)  # httpx accepts gzip
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.content == plain.content
    assert "accept-encoding" in compressed.headers["vary"].lower()


async def test_root_path_may_end_with_a_slash(store: Path) -> None:
    async with running_app(store, root_path="/prefix/") as client:
        response = await client.get("/prefix/v1/nothing")
        assert assert_problem(response, 404)["type"] == "/prefix/problems/not-found"
        assert (await client.get("/prefix/livez")).status_code == 200


@pytest.mark.parametrize("root_path", ["", "/prefix"])
async def test_addresses_in_responses_keep_prefix_and_query_and_name_no_host(
    store: Path, root_path: str
) -> None:
    redirects = {
        "/v1/models/": "/v1/models",
        "/v1/models/a b/?x=%20y": "/v1/models/a%20b?x=%20y",
        "/docs//": "/docs",
    }
    async with running_app(store, root_path=root_path) as client:
        for path, location in redirects.items():
            for sent in (path, root_path + path):  # a proxy may strip the prefix or not
                response = await client.get(sent)
                assert response.status_code == 307
                assert response.headers["location"] == root_path + location
        for path in ("/page/css/", "/v1/nothing/", "/page/nothing.js"):  # also of static files
            problem = assert_problem(await client.get(path), 404)
            assert problem["type"] == f"{root_path}/problems/not-found"
        page = await client.get("/page/nothing", headers={"accept": "text/html"})
        assert f'href="{root_path}/page/css/base.css"' in page.text
