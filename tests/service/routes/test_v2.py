"""`/v2` from the request's bytes to the response's, also what no well-behaved client sends."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.handwriting import StraightLineModel, publish_handwriting_model
from tests.fakes.image_models import BoxBlurDenoiser, MeanColorClassifier, publish_image_model
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.serving import get_app, get_app_state, occupied_thread, running_app
from tests.waiting import until

pytestmark = pytest.mark.anyio

HEADER = "Inference-Header-Content-Length"
INFER = "/v2/models/paint/infer"
KEY = "an administrator's key"
ADMIN = {"Authorization": f"Bearer {KEY}"}
RED = np.full((1, 8, 8, 3), (255, 0, 0), np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_image_model(folder, "blur", BoxBlurDenoiser())
    publish_factorized_codec(folder, "squeeze", FakeFactorizedCodec())
    publish_text_model(folder, "alphabet", AlphabetModel())
    return folder


@pytest.fixture(scope="module")
async def client(store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    limits: dict[str, Any] = {
        "max_body_bytes": 40_000,
        "max_images": 4,
        "max_concurrent_generations": 4,
        "max_prompt_chars": 40,
    }
    async with running_app(store, admin_key=KEY, **limits) as client:
        yield client


def red(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "images", "shape": [1, 8, 8, 3], "datatype": "UINT8"}
    return {**tensor, "data": RED.ravel().tolist(), **changes}


def framed(request_body: dict[str, Any], *raw: bytes) -> tuple[bytes, dict[str, str]]:
    head = json.dumps(request_body).encode()
    return b"".join([head, *raw]), {HEADER: str(len(head))}


async def test_null_parameters_and_a_byte_order_mark_are_accepted(
    client: httpx.AsyncClient,
) -> None:
    outputs = [{"name": "probabilities", "parameters": None}]
    request_body = {
        "inputs": [red(parameters=None)],
        "outputs": outputs,
        "parameters": None,
        "id": None,
    }
    response = await client.post(INFER, content=b"\xef\xbb\xbf" + json.dumps(request_body).encode())
    assert response.status_code == 200, response.text


def error_of(response: httpx.Response, status: int = 400) -> str:
    """Return the message of an error in the protocol's format."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert isinstance(body["error"], str)
    return body["error"]


async def test_json_request_gets_a_json_response(client: httpx.AsyncClient) -> None:
    response = await client.post(INFER, json={"id": "7", "inputs": [red()]})
    assert response.status_code == 200
    assert HEADER not in response.headers
    body = response.json()
    (output,) = body.pop("outputs")
    assert body == {"id": "7", "model_name": "paint", "model_version": "1"}
    assert (output["name"], output["datatype"], output["shape"]) == (
        "probabilities",
        "FP32",
        [1, 3],
    )
    # softmax(10, 0, 0)
    assert output["data"] == pytest.approx([0.99990921, 4.5394e-05, 4.5394e-05], rel=1e-4)


async def test_nested_data_and_mlserver_extensions_are_accepted(client: httpx.AsyncClient) -> None:
    parameters = {"content_type": "np", "headers": {"a": "b"}}
    request_body = {
        "parameters": parameters,
        "inputs": [red(data=RED.tolist(), parameters={"content_type": "np"})],
    }
    assert (await client.post(INFER, json=request_body)).status_code == 200


async def test_requested_outputs_are_binary(client: httpx.AsyncClient) -> None:
    for requested in (
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]},
    ):
        response = await client.post(INFER, json={"inputs": [red()], **requested})
        length = int(response.headers[HEADER])
        body = json.loads(response.content[:length])
        assert body["outputs"][0]["parameters"] == {"binary_data_size": 12}
        assert np.frombuffer(response.content[length:], "<f4").argmax() == 0
    request_body = {
        "inputs": [red()],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": False}}],
    }
    response = await client.post(INFER, json=request_body)
    assert len(response.json()["outputs"][0]["data"]) == 3


async def test_inputs_come_as_json_and_bytes_side_by_side(client: httpx.AsyncClient) -> None:
    tokens = {"name": "tokens", "shape": [1, 2], "datatype": "INT64"}
    state = {"name": "count", "shape": [1, 1, 1], "datatype": "FP32", "data": [3]}
    raw = np.array([[1, 2]], "<i8").tobytes()
    body, headers = framed(
        {"inputs": [state, {**tokens, "parameters": {"binary_data_size": 16}}]}, raw
    )
    response = await client.post("/v2/models/alphabet.step/infer", content=body, headers=headers)
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    assert outputs["next_count"] == [5.0]


@pytest.mark.parametrize(
    ("length", "why"),
    [
        ("x", "expected a whole number"),
        ("-1", "expected a whole number"),
        ("99999999", "up to the body's"),
        ("1" * 5000, "expected a whole number"),
        ("٣", "expected a whole number"),
        ("0", "not JSON"),
        ("3", "not JSON"),
    ],
)
async def test_wrong_json_length_header_is_rejected(
    client: httpx.AsyncClient, length: str, why: str
) -> None:
    body = json.dumps({"inputs": [red()]}).encode()
    response = await client.post(INFER, content=body, headers=[(HEADER.encode(), length.encode())])
    assert why in error_of(response)


@pytest.mark.parametrize(
    ("changes", "raw", "why"),
    [
        ({"parameters": {"binary_data_size": 192}}, b"\0" * 192, "both data and"),
        ({"data": None, "parameters": {"binary_data_size": 192}}, b"\0" * 193, "the body has 193"),
        ({"data": None, "parameters": {"binary_data_size": 192}}, b"\0" * 191, "the body has 191"),
        ({"data": None, "parameters": {"binary_data_size": 100}}, b"\0" * 100, "100 bytes"),
        ({"data": None, "parameters": {"binary_data_size": -1}}, b"", "not a whole number"),
        ({"data": None, "parameters": {"binary_data_size": True}}, b"\0", "not a whole number"),
        ({"data": None, "parameters": {"binary_data_size": "9"}}, b"\0" * 9, "not a whole number"),
        ({"data": None, "parameters": {"binary_data_size": 10**30}}, b"", "the body has 0"),
        ({}, b"more", "the body has 4"),
        ({"data": None}, b"", "neither data nor"),
        ({"shape": [10**18, 8, 8, 3]}, b"", "data has the shape [192]"),
        ({"shape": [2**62, 2**62, 8, 3]}, b"", "expected [batch, 8, 8, 3]"),
        ({"shape": [1.5, 8, 8, 3]}, b"", "inputs.0.shape.0"),
        ({"shape": [True, 8, 8, 3]}, b"", "inputs.0.shape.0"),
        ({"shape": [0, 8, 8, 3]}, b"", "inputs.0.shape.0"),
        ({"shape": [-1, 8, 8, 3]}, b"", "inputs.0.shape.0"),
        ({"shape": [1] * 9}, b"", "inputs.0.shape"),
        ({"shape": []}, b"", "expected [batch, 8, 8, 3]"),
        ({"datatype": "BF16"}, b"", "expected UINT8"),
        ({"datatype": "BYTES"}, b"", "expected UINT8"),
        ({"data": [[[[[]]]]]}, b"", "data has the shape [1, 1, 1, 1, 0]"),
        ({"data": ["a"] * 192}, b"", "strings"),
        ({"data": [float("nan")] * 192}, b"", "fractions"),
        ({"data": [300] * 192}, b"", "0 … 255"),
        ({"name": ""}, b"", "inputs.0.name"),
        ({"name": "x" * 257}, b"", "inputs.0.name"),
    ],
)
async def test_wrong_input_is_rejected_with_a_reason(
    client: httpx.AsyncClient, changes: dict[str, Any], raw: bytes, why: str
) -> None:
    body, headers = framed({"inputs": [red(**changes)]}, raw)
    assert why in error_of(await client.post(INFER, content=body, headers=headers))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"inputs": []}', b'{"inputs": 3}', b"\xff", b"[" * 9_000, b"null"],
)
async def test_malformed_request_is_rejected(client: httpx.AsyncClient, body: bytes) -> None:
    error_of(await client.post(INFER, content=body))


@pytest.mark.parametrize(
    "outputs",
    [
        [{"name": "probabilities"}] * 2,
        [{"name": "members"}],
        [{"name": "probabilities", "parameters": {"classification": 0}}],
        [{"name": "probabilities", "parameters": {"classification": "2"}}],
    ],
)
async def test_wrong_output_is_rejected(client: httpx.AsyncClient, outputs: Any) -> None:
    error_of(await client.post(INFER, json={"inputs": [red()], "outputs": outputs}))
    empty: dict[str, Any] = {"inputs": [red()], "outputs": []}
    assert (await client.post(INFER, json=empty)).status_code == 200


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_bodies_are_compressed_both_ways_and_bombs_rejected(
    client: httpx.AsyncClient, coding: str, pack: Any
) -> None:
    body, framing = framed(
        {"inputs": [red(data=None, parameters={"binary_data_size": 192})]}, RED.tobytes()
    )
    headers = {"Content-Encoding": coding, "Accept-Encoding": coding}
    response = await client.post(INFER, content=pack(body), headers={**headers, **framing})
    assert response.headers["content-encoding"] == coding  # httpx has unpacked it
    assert response.json()["outputs"][0]["shape"] == [1, 3]
    bomb = await client.post(INFER, content=pack(bytes(10_000_000)), headers=headers)
    assert "unpacks to over 40000 bytes" in error_of(bomb, 413)
    damaged = await client.post(INFER, content=body, headers=headers)
    assert f"not {coding}" in error_of(damaged)
    other = await client.post(INFER, content=body, headers={"Content-Encoding": "br"})
    assert "accepted: gzip, deflate" in error_of(other, 415)


async def test_limits_of_bodies_hold(client: httpx.AsyncClient) -> None:
    assert "40000" in error_of(await client.post(INFER, content=bytes(50_000)), 413)
    much = json.dumps({"inputs": [red(data=[0] * 5_000)]})
    assert "send tensors as bytes" in error_of(await client.post(INFER, content=much), 413)
    text = await client.post("/v2/models/alphabet/infer", content=b" " * 39_000)
    assert "the limit is 10000" in error_of(text, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/" + "x" * 200, 400),
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/paint/versions/0x1", 404),
        ("GET", "/v2/models/paint/versions/9999999999", 404),
        ("GET", "/v2/models/paint.model.model", 404),
        ("GET", INFER, 405),
        ("POST", "/v2/models/paint/generate", 404),
        ("GET", "/v2/logging", 404),
    ],
)
async def test_every_error_has_the_protocols_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    error_of(await client.request(method, path), status)


async def test_unexpected_error_reveals_no_details(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("service.routes.v2.infer.infer", broken)
    assert "secret" not in error_of(await client.post(INFER, json={"inputs": [red()]}), 500)


async def test_graph_can_be_named_in_full(client: httpx.AsyncClient) -> None:
    for name in ("squeeze", "squeeze.encoder", "squeeze.decoder", "paint.model"):
        body = (await client.get(f"/v2/models/{name}")).json()
        assert body["name"] == name


async def test_the_index_takes_an_empty_body(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{}", b'{"ready": true}'):
        response = await client.post("/v2/repository/index", content=body)
        names = [model["name"] for model in response.json()]
        assert names == [
            "alphabet", "alphabet.step", "blur", "paint", "squeeze", "squeeze.decoder",
        ]  # fmt: skip
    for wrong in (b"[", b'{"ready": 3}', b"[]"):
        error_of(await client.post("/v2/repository/index", content=wrong))


async def test_load_needs_no_body_and_no_content_type(client: httpx.AsyncClient) -> None:
    response = await client.post("/v2/repository/models/paint/unload", headers=ADMIN)
    assert (response.status_code, response.json()) == (200, {})
    assert (await client.get("/v2/models/paint/ready")).status_code == 503
    ready = (await client.post("/v2/repository/index", json={"ready": True})).json()
    assert "paint" not in {model["name"] for model in ready}
    image = await client.post("/v1/classify", content=b"x")
    assert image.status_code == 503
    for body in (b"", b"{}", b'{"parameters": {"unload_dependents": true}}'):
        response = await client.post(
            "/v2/repository/models/paint/load", content=body, headers=ADMIN
        )
        assert response.status_code == 200
    assert (await client.get("/v2/models/paint/ready")).json() == {"name": "paint", "ready": True}
    for wrong in (b"{", b'{"parameters": {"file:1/model.onnx": "AAAA"}}'):
        response = await client.post(
            "/v2/repository/models/paint/load", content=wrong, headers=ADMIN
        )
        error_of(response)


async def test_load_is_forbidden_without_an_administrators_key(store: Path) -> None:
    for key_set in (None, ""):
        async with running_app(store, admin_key=key_set) as client:
            for key in ("", "x"):
                response = await client.post(
                    "/v2/repository/models/paint/unload", headers={"X-API-Key": key}
                )
                assert "DEEPSHELF_ADMIN_KEY" in error_of(response, 403)
            assert (await client.get("/v2/models/paint/ready")).status_code == 200


async def test_wrong_key_gets_www_authenticate(client: httpx.AsyncClient) -> None:
    for headers in ([], [(b"Authorization", b"Basic abc")], [(b"X-API-Key", "é".encode())]):
        response = await client.post("/v2/repository/models/paint/load", headers=headers)
        assert "Authorization: Bearer" in error_of(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_full_queue_rejects_before_the_body_is_read(store: Path) -> None:
    async with running_app(store, queue_size=0) as client:
        with occupied_thread(get_app_state(client).pool):
            response = await client.post(INFER, content=b"not read")
        assert "queue is full" in error_of(response, 503)
        assert int(response.headers["retry-after"]) >= 1


async def test_request_past_its_deadline_gets_504(store: Path) -> None:
    async with running_app(store, deadline_s=0.05) as client:
        with occupied_thread(get_app_state(client).pool):
            response = await client.post(INFER, json={"inputs": [red()]})
        assert "within 0.05 s" in error_of(response, 504)


async def test_several_texts_are_written_or_none(store: Path) -> None:
    async with running_app(store, max_concurrent_generations=2, queue_size=0) as client:
        decoder = get_app_state(client).scheduler
        ticket = decoder.admission.admit(decoder.admission.now())
        tensor = {"name": "text_input", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
        request_body = {"inputs": [tensor], "parameters": {"max_chars": 3}}
        response = await client.post("/v2/models/alphabet/infer", json=request_body)
        assert "queue is full" in error_of(response, 503)
        ticket.release()
        await until(lambda: not decoder.admission.in_flight)
        body = (await client.post("/v2/models/alphabet/infer", json=request_body)).json()
        assert body["outputs"][0]["data"] == ["bcd", "cde"]


async def test_the_same_errors_under_a_root_path(store: Path) -> None:
    async with running_app(store) as client:
        transport = httpx.ASGITransport(get_app(client), root_path="/prefix")
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as behind:
            for path in ("/v2/models/nobody", "/prefix/v2/models/nobody"):
                error_of(await behind.get(path), 404)


async def test_index_out_of_range_is_rejected(tmp_path: Path) -> None:
    publish_handwriting_model(tmp_path, "ruler", StraightLineModel())
    async with running_app(tmp_path) as client:

        async def infer(symbol: int) -> httpx.Response:
            inputs = [
                {"name": "moves", "shape": [1, 1, 5], "datatype": "FP32", "data": [0] * 5},
                {"name": "symbols", "shape": [1, 1], "datatype": "INT64", "data": [symbol]},
                {"name": "count", "shape": [1, 1, 1], "datatype": "FP32", "data": [0]},
            ]
            return await client.post("/v2/models/ruler/infer", json={"inputs": inputs})

        assert (await infer(1)).status_code == 200
        assert "does not accept these values" in error_of(await infer(2))


@pytest.mark.parametrize(
    "path",
    ["/v2/models/stats", "/v2/models/paint/stats", "/v2/models/paint/versions/1/stats"],
)
async def test_statistics_extension_is_missing_with_several_workers(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert "statistics" in (await client.get("/v2")).json()["extensions"]
    assert (await client.get(path)).status_code == 200
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "set by the parent of several workers")
    assert "statistics" not in (await client.get("/v2")).json()["extensions"]
    assert "several workers" in error_of(await client.get(path), 404)
