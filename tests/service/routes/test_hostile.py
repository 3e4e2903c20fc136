"""Whatever comes, a response goes: no body makes a fault, and each gets its error's own shape."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.fakes.image_models import (
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.tensor_models import THREE_INPUTS, publish_tensors_model, three_inputs_model
from tests.fakes.text_model import AlphabetModel, publish_text_model
from tests.service.codecs.files import FORMATS, encoded, smooth

JSON = {"content-type": "application/json"}
INFER = "/v2/models/paint/infer"
PREDICT = "/v1/predict?model=three"
IMAGE = encode_png(solid_image(8, 8, (255, 0, 0)))
IMAGES = {name: encoded(smooth(16, 16), name) for name in FORMATS}

many = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([2**63, -(2**64), 1e308, float("nan"), float("inf"), "\ud800", "\x00"])
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def requested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    store: Path = tmp_path_factory.mktemp("store")
    publish_image_model(store, "paint", MeanColorClassifier())
    publish_text_model(store, "alphabet", AlphabetModel())
    publish_tensors_model(store, "three", three_inputs_model(), THREE_INPUTS)
    app = create_app(
        Settings.model_validate(
            {"store": store, "threads": 1, "store_poll_interval_s": 0, "max_text_chars": 50}
        )
    )
    with TestClient(app, raise_server_exceptions=True) as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def _has_response(client: TestClient, path: str, body: bytes, headers: dict[str, str]) -> None:
    response = client.post(path, content=body, headers=headers)
    assert response.status_code < 500 or response.status_code in (503, 504), response.text
    if response.status_code >= 400:
        message: dict[str, object] = response.json()
        assert message["error" if path.startswith(("/v2", "/openai")) else "detail"]
        assert "Traceback" not in response.text


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


_TEXT_FIELDS = st.sampled_from(
    ["prompt", "max_chars", "temperature", "top_k", "top_p", "seed", "stop", "stream", "model",
     "version", "max_tokens", "n", "logprobs", "echo"]
)  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/text", "/openai/v1/completions"])
@many
@given(fields=st.dictionaries(_TEXT_FIELDS, _VALUES, max_size=4), prompt=st.text(max_size=30))
def test_any_text_request_gets_a_response(
    requested: TestClient, path: str, fields: dict[str, object], prompt: str
) -> None:
    _has_response(requested, path, _dumped({"prompt": prompt, "max_chars": 2, **fields}), JSON)


_TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["images", "x", ""]) | _VALUES,
        "shape": st.lists(st.sampled_from([0, 1, 8, 3, -1, 2**40]), max_size=5) | _VALUES,
        "datatype": st.sampled_from(["UINT8", "FP32", "BYTES", "INT64", "BOOL", "FP99"]) | _VALUES,
        "data": st.lists(st.integers(-300, 300), max_size=20) | _VALUES,
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "shared_memory_region", "binary_data"]), _VALUES
        ),
    },
)


@many
@given(inputs=st.lists(_TENSOR, max_size=2) | _VALUES, more=_VALUES)
def test_any_json_tensors_get_a_response(
    requested: TestClient, inputs: object, more: object
) -> None:
    _has_response(requested, INFER, _dumped({"inputs": inputs, "outputs": more}), JSON)
    _has_response(requested, INFER, _dumped({"inputs": inputs}), JSON)


@many
@given(
    size=st.integers(-1, 300), declared=st.integers(-5, 400) | st.just(2**70),
    tail=st.binary(max_size=250),
)  # fmt: skip
def test_any_binary_tensors_get_a_response(
    requested: TestClient, size: int, declared: int, tail: bytes
) -> None:
    tensor: dict[str, Any] = {"name": "images", "shape": [1, 8, 8, 3], "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": size}
    head = _dumped({"inputs": [tensor]})
    for length in (len(head), declared):
        headers = {"inference-header-content-length": str(length)}
        _has_response(requested, INFER, head + tail, headers)


@pytest.mark.parametrize("model", ["three", "paint", "alphabet"])
@many
@given(
    inputs=st.dictionaries(
        st.sampled_from(["numbers", "words", "flags", "images", "tokens"]),
        st.lists(st.lists(_SCALARS, min_size=2, max_size=3), max_size=3) | _VALUES,
    )
    | _VALUES
)
def test_any_inputs_get_a_response(requested: TestClient, model: str, inputs: object) -> None:
    body = _dumped({"inputs": inputs})
    _has_response(requested, f"/v1/predict?model={model}", body, JSON)


@many
@given(round_=st.text(max_size=90) | _VALUES, choice=st.integers(-1, 2) | _VALUES)
def test_any_choice_in_a_game_gets_a_response(
    requested: TestClient, round_: object, choice: object
) -> None:
    _has_response(requested, "/v1/game", _dumped({"round": round_, "choice": choice}), JSON)


_KINDS = (
    "image/png", "application/json", "", "multipart/form-data; boundary=x", "multipart/form-data",
    "text/plain; charset=x",
)  # fmt: skip


@many
@given(body=st.binary(max_size=300), kind=st.sampled_from(_KINDS))
@pytest.mark.parametrize(
    "path",
    ["/v1/classify", "/v1/decompress", "/v1/text", INFER, "/openai/v1/completions", PREDICT,
     "/v1/game", "/v1/models/paint/activations"],
)  # fmt: skip
def test_any_bytes_of_any_content_type_get_a_response(
    requested: TestClient, path: str, body: bytes, kind: str
) -> None:
    _has_response(requested, path, body, {"content-type": kind} if kind else {})


@pytest.mark.parametrize("name", IMAGES)
@many
@given(cuts=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=6))
def test_any_damaged_image_gets_a_response(
    requested: TestClient, name: str, cuts: list[tuple[int, int]]
) -> None:
    damaged = bytearray(IMAGES[name])
    for position, value in cuts:
        damaged[position % len(damaged)] = value
    _has_response(requested, "/v1/classify", bytes(damaged), {})


def _form(fields: int) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n1\r\n'
    return part * fields + b"--x--\r\n"


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/text", b'{"prompt":' + b"[" * 10_000 + b"]" * 10_000 + b"}", JSON),
        (INFER, b'{"inputs":' + b"[" * 10_000 + b"]" * 10_000 + b"}", JSON),
        (INFER, b'{"inputs":' * 10_000 + b"1" + b"}" * 10_000, JSON),
        ("/openai/v1/completions", b"[" * 100_000, JSON),
        (PREDICT, b'{"inputs":{"numbers":' + b"[" * 10_000 + b"]" * 10_000 + b"}}", JSON),
        (PREDICT, b'{"inputs":{"numbers":[[' + b"9" * 5000 + b",1,1]]}}", JSON),
        ("/v1/game", b'{"round":"' + b"a" * 1_000_000 + b'","choice":0}', JSON),
        ("/v1/text", b'{"prompt": "a", "max_chars": ' + b"9" * 5000 + b"}", JSON),
        ("/v1/text", b'{"prompt": "a", "temperature": NaN}', JSON),
        ("/v1/text", b'{"prompt": "a", "temperature": 1e999}', JSON),
        ("/v1/text", b'{"prompt": "' + b"a" * 1_000_000 + b'"}', JSON),
        ("/v1/text", '{"prompt": "\u202e\U0010ffff\u0300"}'.encode(), JSON),
        ("/v1/text", b'{"prompt": "\\ud800"}', JSON),
        ("/v1/text", b'{"prompt": "\xff\xfe"}', JSON),
        ("/v1/classify", _form(10_000), {"content-type": "multipart/form-data; boundary=x"}),
        ("/v1/classify?" + "&".join(f"top_k={n}" for n in range(5000)), IMAGE, {}),
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, bytes) else None,
)
def test_decompression_bomb_is_rejected(
    requested: TestClient, path: str, body: bytes, headers: dict[str, str]
) -> None:
    response = requested.post(path, content=body, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert len(response.content) < 10_000


def test_image_with_an_enormous_header_size_is_rejected_undecoded(requested: TestClient) -> None:
    size = struct.pack(">II", 60_000, 60_000)
    bomb = IMAGE[:16] + size + IMAGE[24:]
    assert requested.post("/v1/classify", content=bomb).status_code in (413, 422)
