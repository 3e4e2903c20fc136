import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from service.app import create_app
from service.auth.request_key import require_admin
from service.keys import hash_key
from service.observability.logging_config import JsonFormatter, TextFormatter
from service.settings import Settings
from tests.fakes.image_models import encode_png, solid_image
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import (
    assert_problem,
    get_app,
    get_app_state,
    occupied_thread,
    running_app,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio

IMAGE = encode_png(solid_image(20, 30, (255, 0, 0)))
ALICE, BOB, ROOT = "dsk_alice", "dsk_bob", "dsk_root"
OPEN = (
    "/livez", "/readyz", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css", "/", "/metrics",
    "/problems/not-found",
)  # fmt: skip


def line(name: str, key: str, options: str = "") -> str:
    return f"{name} sha256:{hash_key(key).hex()} {options}"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def closed(store: Path) -> AsyncIterator[httpx.AsyncClient]:
    keys = ";".join(
        (line("alice", ALICE), line("bob", BOB, "rate=2/hour"), line("root", ROOT, "admin"))
    )
    async with running_app(store, keys=keys) as client:
        yield client


async def test_without_keys_every_request_is_accepted(client: httpx.AsyncClient) -> None:
    for headers in ({}, bearer("whatever the openai client sends")):
        response = await client.post("/v1/classify", content=IMAGE, headers=headers)
        assert response.status_code == 200


async def test_with_keys_a_valid_one_is_required(closed: httpx.AsyncClient) -> None:
    ask = closed.post
    assert (await ask("/v1/classify", content=IMAGE, headers=bearer(ALICE))).status_code == 200
    response = await ask("/v1/classify", content=IMAGE, headers={"x-api-key": ALICE})
    assert response.status_code == 200
    for headers in ({}, bearer("dsk_wrong"), bearer(""), {"authorization": f"Basic {ALICE}"}):
        response = await ask("/v1/classify", content=IMAGE, headers=headers)
        problem = assert_problem(response, 401)
        assert problem["type"] == "/problems/unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"
        assert "dsk_" not in response.text


async def test_request_without_key_does_not_reveal_which_routes_exist(
    closed: httpx.AsyncClient,
) -> None:
    for path in ("/v1/models", "/v1/models/paint", "/v1/nothing", "/x"):
        assert_problem(await closed.get(path), 401)
    for path in ("/v2", "/v2/models/paint", "/v2/models/paint/infer", "/openai/v1/models"):
        response = await closed.get(path)
        assert response.status_code == 401
        assert set(response.json()) == {"error"}  # the error format of their protocols
    assert_problem(await closed.get("/v1/nothing", headers=bearer(ALICE)), 404)


@pytest.mark.parametrize("path", OPEN)
async def test_probes_and_pages_need_no_key(closed: httpx.AsyncClient, path: str) -> None:
    assert (await closed.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["//v1/models", "/livez/../v1/models", "/docs/../v1/models", "/livez%2f..%2fv1/models"]
)
async def test_no_spelling_of_a_path_bypasses_authentication(
    closed: httpx.AsyncClient, path: str
) -> None:
    request = closed.build_request("GET", "/")
    request.url = httpx.URL("http://deepshelf").copy_with(raw_path=path.encode())
    response = await closed.send(request)
    assert response.status_code in (401, 404)
    assert "paint" not in response.text


async def test_wrong_key_is_rejected_before_the_body_is_read(closed: httpx.AsyncClient) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"x"

    assert_problem(await closed.post("/v1/classify", content=body()), 401)
    assert not read


async def test_key_over_its_rate_gets_retry_after(
    closed: httpx.AsyncClient,
) -> None:
    statuses = [(await closed.get("/v1/models", headers=bearer(BOB))).status_code for _ in range(2)]
    response = await closed.get("/v1/models", headers=bearer(BOB))
    assert statuses == [200, 200]
    assert assert_problem(response, 429)["type"] == "/problems/too-many-requests"
    assert 3500 < int(response.headers["retry-after"]) <= 3600
    assert (await closed.get("/v1/models", headers=bearer(ALICE))).status_code == 200


async def test_log_lines_of_rejected_requests_carry_the_route(
    closed: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "service.access"):
        await closed.post("/v1/classify", content=IMAGE)
        await closed.get("/v1/models/paint/preview")
        await closed.get("/nothing")
        for _ in range(3):
            await closed.get("/v1/models", headers=bearer(BOB))
    fields = [getattr(record, "fields") for record in caplog.records]  # noqa: B009
    assert [(event["status"], event["route"]) for event in fields] == [
        (401, "/v1/classify"),
        (401, "/v1/models/{name}/preview"),
        (401, "unknown"),
        (200, "/v1/models"),
        (200, "/v1/models"),
        (429, "/v1/models"),
    ]


async def test_burst_does_not_exceed_the_limit_of_concurrent_requests(store: Path) -> None:
    keys = line("alice", ALICE, "concurrent=1 rate=100/minute")
    async with running_app(store, keys=keys) as client:
        requests = (
            client.post("/v1/classify", content=IMAGE, headers=bearer(ALICE)) for _ in range(8)
        )
        statuses = [response.status_code for response in await asyncio.gather(*requests)]
    assert 429 in statuses


async def test_concurrency_limit_of_a_key_does_not_delay_other_keys(
    store: Path,
) -> None:
    keys = ";".join((line("alice", ALICE), line("bob", BOB)))
    async with running_app(store, keys=keys, key_max_concurrent=1, threads=2) as client:
        with (
            occupied_thread(get_app_state(client).pool),
            occupied_thread(get_app_state(client).pool),
        ):
            waiting = asyncio.create_task(
                client.post("/v1/classify", content=IMAGE, headers=bearer(ALICE))
            )
            await until(lambda: get_app_state(client).pool.admission.in_flight == 3)
            response = await client.get("/v1/models", headers=bearer(ALICE))
            assert assert_problem(response, 429)["detail"] == (
                "this key already has 1 requests in flight"
            )
            assert (await client.get("/v1/models", headers=bearer(BOB))).status_code == 200
        assert (await waiting).status_code == 200
        assert (await client.get("/v1/models", headers=bearer(ALICE))).status_code == 200


def _with_admin_route(client: httpx.AsyncClient) -> FastAPI:
    app = get_app(client)

    async def manage(request: Request) -> PlainTextResponse:
        require_admin(request)
        return PlainTextResponse("done")

    app.add_api_route("/manage", manage)
    return app


async def test_admin_routes_need_an_administrators_key(
    closed: httpx.AsyncClient,
) -> None:
    _with_admin_route(closed)
    assert (await closed.get("/manage", headers=bearer(ROOT))).text == "done"
    assert_problem(await closed.get("/manage", headers=bearer(ALICE)), 403)
    assert_problem(await closed.get("/manage"), 401)


@pytest.mark.parametrize("kept", [ROOT, f"sha256:{hash_key(ROOT).hex()}"])
async def test_the_administrators_key_alone_leaves_the_rest_open(store: Path, kept: str) -> None:
    async with running_app(store, admin_key=kept) as client:
        _with_admin_route(client)
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.get("/manage", headers=bearer(ROOT))).text == "done"
        for headers in ({}, bearer(ALICE)):
            assert_problem(await client.get("/manage", headers=headers), 401)


async def test_admin_routes_are_forbidden_without_an_administrators_key(
    client: httpx.AsyncClient, store: Path
) -> None:
    async with running_app(store) as own:
        _with_admin_route(own)
        assert_problem(await own.get("/manage"), 403)


async def test_pages_and_metrics_can_be_disabled(store: Path) -> None:
    async with running_app(store, docs=False, playground=False, metrics="closed") as client:
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/assets/redoc.standalone.js", "/",
                     "/page/index.html", "/metrics"):  # fmt: skip
            assert_problem(await client.get(path), 404)
        assert (await client.get("/v1/models")).status_code == 200


async def test_metrics_can_require_a_key(store: Path) -> None:
    async with running_app(store, keys=line("alice", ALICE), metrics="key") as client:
        assert_problem(await client.get("/metrics"), 401)
        assert (await client.get("/metrics", headers=bearer(ALICE))).status_code == 200


async def test_the_paths_are_known_behind_a_proxy_too(store: Path) -> None:
    async with running_app(store, keys=line("alice", ALICE), root_path="/prefix") as client:
        for prefix in ("", "/prefix"):
            assert (await client.get(f"{prefix}/livez")).status_code == 200
            assert_problem(await client.get(f"{prefix}/v1/models"), 401)


async def test_openapi_document_has_the_security_schemes(store: Path) -> None:
    document: dict[str, Any] = create_app(
        Settings.model_validate({"store": store, "keys": line("alice", ALICE)})
    ).openapi()
    OpenAPIV31SpecValidator(document).validate()
    assert document["security"] == [{"Key": []}, {"KeyHeader": []}]
    classify = document["paths"]["/v1/classify"]["post"]
    assert {"401", "429"} <= set(classify["responses"])
    assert document["paths"]["/livez"]["get"]["security"] == []


async def test_keys_prompts_and_images_are_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompt, wrong = "zyxwvut", "dsk_the_key_of_somebody_else"
    publish_text_model(tmp_path, "alphabet", AlphabetModel())
    with caplog.at_level(logging.DEBUG):
        async with running_app(tmp_path, keys=line("alice", ALICE), admin_key=ROOT) as client:
            for key in (ALICE, ROOT, wrong):
                headers = {**bearer(key), "content-type": "application/json"}
                for body in (
                    f'{{"prompt": "{prompt}", "max_chars": 3}}',
                    f'{{"prompt": "{prompt}", "stream": true, "max_chars": 3}}',
                    f'{{"prompt": "{prompt}!"}}',
                    f'{{"prompt": ["{prompt}"]}}',
                    f'{{"prompt": "{prompt}"',
                ):
                    await client.post("/v1/text", content=body, headers=headers)
                await client.post("/v1/classify", content=prompt.encode(), headers=headers)
                await client.get(f"/v1/models?key={key}", headers={"x-api-key": key})
    formatters = (JsonFormatter(), TextFormatter())
    ours = [
        record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    lines = [formatter.format(record) for record in ours for formatter in formatters]
    assert len(lines) >= 2 * 21
    assert any('"key": "alice"' in text for text in lines)
    for secret in (prompt, ALICE, ROOT, wrong, hash_key(ALICE).hex()):
        assert not [text for text in lines if secret in text]
