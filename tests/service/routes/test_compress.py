import base64
import io
import shutil
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models_store.compression.container import CompressedImage, fingerprint, pack, unpack
from models_store.layout import version_dir
from models_store.varint import encode_varint
from models_store.verify import read_manifest
from service.codecs.bitstream import CODE_MEDIA_TYPE
from tests.fakes.factorized_codec import SIDE, FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.image_models import BoxBlurDenoiser, encode_png, publish_image_model
from tests.service.serving import assert_problem, get_app_state, occupied_thread, running_app

pytestmark = pytest.mark.anyio

JSON = {"accept": "application/json"}
FINE, COARSE, COLOR = (
    FakeFactorizedCodec(),
    FakeFactorizedCodec(step=8, reach=10),
    FakeFactorizedCodec(mode="RGB"),
)


def _image(channels: int = 1, side: int = SIDE) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (side, side, channels), np.uint8)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    return pixels.reshape(*pixels.shape[:2], -1)


@pytest.fixture(scope="session")
def published_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish two versions of `squeeze`, the second lossy; one in colour; a denoiser."""
    store = tmp_path_factory.mktemp("codes")
    publish_factorized_codec(store, "squeeze", FINE)
    publish_factorized_codec(store, "squeeze", COARSE)
    publish_factorized_codec(store, "squeeze-colour", COLOR)
    publish_image_model(store, "blur", BoxBlurDenoiser())
    return store


@pytest.fixture(scope="session")
async def coder(published_store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(published_store, max_body_bytes=20_000, max_images=4) as client:
        yield client


async def _code(coder: httpx.AsyncClient, query: str = "?version=1") -> bytes:
    response = await coder.post(f"/v1/compress{query}", content=encode_png(_image()))
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize(
    ("query", "model", "channels"),
    [("?version=1", FINE, 1), ("", COARSE, 1), ("?model=squeeze-colour", COLOR, 3)],
)
async def test_decompressed_image_matches_the_original(
    coder: httpx.AsyncClient, query: str, model: FakeFactorizedCodec, channels: int
) -> None:
    image = _image(channels)
    if query == "?version=1":
        query += "&model=squeeze"
    response = await coder.post(f"/v1/compress{query}", content=encode_png(image))
    assert response.headers["content-type"] == CODE_MEDIA_TYPE
    back = await coder.post("/v1/decompress", content=response.content)
    assert back.headers["content-type"] == "image/png"
    assert back.headers["x-deepshelf-model"] == response.headers["x-deepshelf-model"]
    assert np.array_equal(_pixels(back.content), model.expected_reconstruction(image))


async def test_json_has_the_promised_shape_and_counts_everything(coder: httpx.AsyncClient) -> None:
    image = _image()
    response = (await coder.post("/v1/compress", content=encode_png(image), headers=JSON)).json()
    assert set(response) == {
        "model", "version", "code", "code_bytes", "bits_per_pixel", "width", "height", "psnr_db"
    }  # fmt: skip
    code = base64.b64decode(response["code"])
    plain = await coder.post("/v1/compress", content=encode_png(image))
    assert code == plain.content
    assert (response["model"], response["version"]) == ("squeeze", 2)
    assert (response["width"], response["height"]) == (SIDE, SIDE)
    assert response["code_bytes"] == len(code)
    assert response["bits_per_pixel"] == pytest.approx(8 * len(code) / SIDE**2)
    error = COARSE.expected_reconstruction(image).astype(float) - image
    expected = 10 * np.log10(255**2 / np.square(error).mean())
    assert response["psnr_db"] == pytest.approx(expected)
    assert float(plain.headers["x-deepshelf-psnr-db"]) == pytest.approx(expected, abs=1e-4)


async def test_psnr_is_null_if_nothing_is_lost(coder: httpx.AsyncClient) -> None:
    url = "/v1/compress?model=squeeze&version=1"
    response = await coder.post(url, content=encode_png(_image()), headers=JSON)
    assert response.json()["psnr_db"] is None
    assert (
        "x-deepshelf-psnr-db" not in (await coder.post(url, content=encode_png(_image()))).headers
    )


async def test_code_identifies_its_model_and_size(
    coder: httpx.AsyncClient, published_store: Path
) -> None:
    code = unpack(await _code(coder, ""))
    assert code.fingerprint == fingerprint(
        read_manifest(version_dir(published_store, "squeeze", 2))
    )
    assert (code.width, code.height) == (SIDE, SIDE)


async def test_an_older_versions_code_is_read_by_that_version(coder: httpx.AsyncClient) -> None:
    code = await _code(coder, "?model=squeeze&version=1")
    back = await coder.post("/v1/decompress", content=code, headers=JSON)
    document = back.json()
    assert (document["model"], document["version"]) == ("squeeze", 1)
    assert (document["width"], document["height"]) == (SIDE, SIDE)
    assert np.array_equal(_pixels(base64.b64decode(document["image"])), _image())


async def test_image_of_another_size_is_resized(
    coder: httpx.AsyncClient,
) -> None:
    wide = np.full((10, 3 * SIDE, 1), 200, np.uint8)
    code = (
        await coder.post("/v1/compress?model=squeeze&version=1", content=encode_png(wide))
    ).content
    pixels = _pixels((await coder.post("/v1/decompress", content=code)).content)
    assert pixels.shape == (SIDE, SIDE, 1)
    assert not pixels[0].any()  # black above and below
    assert (pixels[SIDE // 2] == 200).all()


@pytest.mark.parametrize("field", ["raw", "typed", "form"])
async def test_codes_come_as_body_and_as_form(coder: httpx.AsyncClient, field: str) -> None:
    code = await _code(coder)
    response = await (
        coder.post("/v1/decompress", files={"code": code})
        if field == "form"
        else coder.post(
            "/v1/decompress",
            content=code,
            headers={"content-type": CODE_MEDIA_TYPE} if field == "typed" else {},
        )
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("change", "status", "reason", "message"),
    [
        (lambda _: b"hello", 415, "foreign", "text"),
        (lambda _: encode_png(_image()), 415, "foreign", "a PNG image"),
        (lambda code: code[:2] + b"\x03" + code[3:], 415, "newer", "formats up to 2"),
        (lambda code: code[:-1], 422, "truncated", "1 bytes too short"),
        (lambda code: code[:1], 422, "truncated", "1 bytes"),
        (lambda code: code + b"x", 422, "damaged", "follow its end"),
        (lambda code: code[:30] + b"\0\0" + code[32:], 422, "damaged", "checksum"),
    ],
)
async def test_unreadable_code_is_rejected_with_a_reason(
    coder: httpx.AsyncClient, change: object, status: int, reason: str, message: str
) -> None:
    assert callable(change)
    response = await coder.post("/v1/decompress", content=change(await _code(coder)))
    problem = assert_problem(response, status)
    assert problem["reason"] == reason
    assert message in str(problem["detail"])


async def test_every_changed_byte_of_a_code_is_found(coder: httpx.AsyncClient) -> None:
    code = await _code(coder)
    for at in range(len(code)):
        changed = code[:at] + bytes([code[at] ^ 1 << at % 8]) + code[at + 1 :]
        response = await coder.post("/v1/decompress", content=changed)
        assert response.status_code in (415, 422)
        assert response.json()["reason"] in ("foreign", "newer", "truncated", "damaged")


def _forged(**changes: object) -> bytes:
    fields = {
        "fingerprint": bytes(4), "width": SIDE, "height": SIDE, "mode": "L", "payload": b"",
    }  # fmt: skip
    return pack(CompressedImage(**{**fields, **changes}))  # type: ignore[arg-type]


async def test_code_of_a_missing_model_is_rejected(coder: httpx.AsyncClient) -> None:
    problem = assert_problem(await coder.post("/v1/decompress", content=_forged()), 404)
    assert "00000000; models for compression: squeeze, squeeze-colour" in str(problem["detail"])
    assert problem["reason"] == "another model"


async def test_code_of_a_failed_model_gives_its_state(
    published_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(published_store / "squeeze", tmp_path / "squeeze")
    (tmp_path / "squeeze" / "1" / "decoder.onnx").write_bytes(b"damaged")
    async with running_app(published_store) as client:
        code = await _code(client, "?model=squeeze&version=1")
    async with running_app(tmp_path) as client:
        response = await client.post("/v1/decompress", content=code)
    assert "squeeze 1 is failed" in str(assert_problem(response, 503)["detail"])


async def test_code_of_format_1_still_decodes(coder: httpx.AsyncClient) -> None:
    code = await _code(coder, "?model=squeeze&version=1")
    body = b"\x02\x05\x5a\x01" + code[4:-4]  # a name and a version before the fingerprint
    head = b"\xd5S\x01" + encode_varint(len(body) + 4) + body
    named = head + zlib.crc32(head).to_bytes(4, "big")
    responses = [await coder.post("/v1/decompress", content=data) for data in (code, named)]
    assert responses[0].status_code == responses[1].status_code == 200
    assert responses[0].content == responses[1].content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 7}, "says 7 × 6 L, but squeeze makes 6 × 6 L"),
        ({"mode": "RGB"}, "6 × 6 RGB"),
        ({"payload": bytes(1000)}, "left over"),
        ({"payload": b"\xff" * 200}, "damaged"),
    ],
)
async def test_a_forged_code_with_a_right_checksum_is_damage(
    coder: httpx.AsyncClient, changes: dict[str, object], message: str
) -> None:
    mark = unpack(await _code(coder, "?model=squeeze&version=1")).fingerprint
    response = await coder.post("/v1/decompress", content=_forged(fingerprint=mark, **changes))
    problem = assert_problem(response, 422)
    assert problem["reason"] == "damaged"
    assert message in str(problem["detail"])


@pytest.mark.parametrize(("route", "field"), [("compress", "image"), ("decompress", "code")])
async def test_one_at_a_time(coder: httpx.AsyncClient, route: str, field: str) -> None:
    files = [(field, b"\xd5one"), (field, b"\xd5two")]
    response = await coder.post(f"/v1/{route}", files=files)
    assert "expected one" in str(assert_problem(response, 422)["detail"])


async def test_decompress_rejects_a_model_parameter_and_classify_a_code(
    coder: httpx.AsyncClient,
) -> None:
    code = await _code(coder)
    assert_problem(await coder.post("/v1/compress", content=code), 415)
    assert_problem(await coder.post("/v1/decompress?model=squeeze", content=code), 422)
    assert_problem(await coder.post("/v1/decompress", files={"image": code}), 422)
    wrong = {"content-type": "image/png"}
    accepted = assert_problem(await coder.post("/v1/decompress", content=code, headers=wrong), 415)
    assert CODE_MEDIA_TYPE in str(accepted["accepted"])


async def test_body_over_the_limit_and_empty_body_are_rejected(
    coder: httpx.AsyncClient,
) -> None:
    assert_problem(await coder.post("/v1/decompress", content=bytes(20_001)), 413)
    detail = assert_problem(await coder.post("/v1/decompress"), 422)["detail"]
    assert "curl -F code=@digit.code" in str(detail)


async def test_full_queue_rejects_before_decoding(published_store: Path) -> None:
    async with running_app(published_store, queue_size=0) as client:
        with occupied_thread(get_app_state(client).pool):
            for route in ("compress", "decompress"):
                response = await client.post(f"/v1/{route}", content=b"not even looked at")
                assert assert_problem(response, 503)["title"] == "Overloaded"


async def test_tables_that_do_not_fit_the_graphs_make_a_failed_model(tmp_path: Path) -> None:
    folder = publish_factorized_codec(tmp_path, "squeeze", FINE)
    tables = folder / "tables.json"
    tables.write_bytes(tables.read_bytes().replace(b'"lowest":-100', b'"lowest":-101'))
    async with running_app(tmp_path) as client:
        (model,) = (await client.get("/v1/models")).json()["models"]
    assert model["versions"][0]["state"] == "failed"
    assert "tables.json" in model["versions"][0]["reason"]


_OTHER_PROCESS = """
import sys
from pathlib import Path
from models_store.verify import read_manifest
from models_store.compression.container import unpack
from service.handlers.compress import decompress
from service.runtime.model_loader import load
folder = Path(sys.argv[1])
model = load(folder, read_manifest(folder))
code = unpack(sys.stdin.buffer.read())
max_pixels = 1000
sys.stdout.buffer.write(decompress(model, code, max_pixels=max_pixels, check=lambda: None).png)
"""


async def test_another_process_decodes_the_same_image(
    coder: httpx.AsyncClient, published_store: Path
) -> None:
    code = await _code(coder, "?model=squeeze")
    here = (await coder.post("/v1/decompress", content=code)).content
    command = [
        sys.executable,
        "-c",
        _OTHER_PROCESS,
        str(version_dir(published_store, "squeeze", 2)),
    ]
    available = subprocess.run(command, input=code, capture_output=True, check=True)
    assert available.stdout == here
    assert np.array_equal(_pixels(here), COARSE.expected_reconstruction(_image()))
