import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models_store.compression.container import pack, unpack
from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.hyperprior_codec import publish_hyperprior_codec
from tests.fakes.image_models import encode_png
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

JSON = {"accept": "application/json"}


@pytest.fixture(scope="session")
def published_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish a codec for any image and, earlier in the alphabet, one for a single size."""
    store = tmp_path_factory.mktemp("photographs")
    publish_hyperprior_codec(store, "mosaic")
    publish_factorized_codec(store, "autosqueeze", FakeFactorizedCodec())
    return store


@pytest.fixture(scope="session")
async def coder(published_store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(published_store, max_pixels=100_000) as client:
        yield client


def _image(height: int = 37, width: int = 301, channels: int = 3) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    wave = 128 + 90 * np.sin(y[..., None] / 15 + x[..., None] / 20 + np.arange(channels))
    image: NDArray[np.uint8] = wave.astype(np.uint8)
    return image


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


async def test_default_codec_takes_any_image_size(coder: httpx.AsyncClient) -> None:
    image = _image()
    response = await coder.post("/v1/compress", content=encode_png(image))
    assert response.status_code == 200, response.text
    assert response.headers["x-deepshelf-model"] == "mosaic"
    assert len(response.content) < image.size / 10
    back = await coder.post("/v1/decompress", content=response.content)
    restored = _pixels(back.content)
    assert restored.shape == image.shape
    error = np.square(restored.astype(float) - image).mean()
    psnr_db = float(response.headers["x-deepshelf-psnr-db"])
    assert psnr_db == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


async def test_quality_is_set_by_query_or_form_and_returned(coder: httpx.AsyncClient) -> None:
    file = encode_png(_image())
    found = {}
    for quality in (1, 3):
        url = f"/v1/compress?quality={quality}"
        found[quality] = (await coder.post(url, content=file, headers=JSON)).json()
        assert found[quality]["quality"] == quality
    assert found[1]["code_bytes"] < found[3]["code_bytes"]
    assert found[1]["psnr_db"] < found[3]["psnr_db"]
    form = await coder.post(
        "/v1/compress", files={"image": file}, data={"quality": "1"}, headers=JSON
    )
    assert form.json()["code"] == found[1]["code"]
    best = await coder.post("/v1/compress", content=file, headers=JSON)
    assert best.json()["quality"] == 3  # 5, or the best where there are fewer
    code = base64.b64decode(found[1]["code"])
    back = (await coder.post("/v1/decompress", content=code, headers=JSON)).json()
    assert (back["quality"], back["width"], back["height"]) == (1, 301, 37)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("quality=4", "it must be 1 to 3"),
        ("model=mosaic&quality=4", "it must be 1 to 3"),
        ("model=autosqueeze&quality=2", "leave it out, because autosqueeze 1 has only one"),
        ("quality=0", "must be at least 1"),
        ("quality=best", "is not a whole number"),
    ],
)
async def test_unknown_quality_is_rejected(
    coder: httpx.AsyncClient, query: str, message: str
) -> None:
    response = await coder.post(f"/v1/compress?{query}", content=encode_png(_image()))
    assert response.status_code == 422
    assert message in response.text


async def test_model_of_one_size_returns_no_quality(coder: httpx.AsyncClient) -> None:
    url = "/v1/compress?model=autosqueeze"
    response = await coder.post(url, content=encode_png(_image(6, 6, 1)), headers=JSON)
    assert "quality" not in response.json()


async def test_grey_images_stay_grey(coder: httpx.AsyncClient) -> None:
    gray = _image(20, 33, 1)
    response = await coder.post("/v1/compress?quality=3", content=encode_png(gray))
    code = unpack(response.content)
    assert (code.mode, code.width, code.height) == ("L", 33, 20)
    back = _pixels((await coder.post("/v1/decompress", content=response.content)).content)
    assert back.shape == (20, 33)
    error = np.square(back.astype(float) - gray[..., 0]).mean()
    psnr_db = float(response.headers["x-deepshelf-psnr-db"])
    assert psnr_db == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


async def test_code_of_a_huge_image_is_rejected_before_decoding(
    coder: httpx.AsyncClient,
) -> None:
    small = unpack((await coder.post("/v1/compress", content=encode_png(_image()))).content)
    huge = type(small)(**{**vars(small), "width": 60_000, "height": 60_000})
    response = await coder.post("/v1/decompress", content=pack(huge))
    assert "100000 pixels" in str(assert_problem(response, 413)["detail"])


@pytest.mark.parametrize("width", [300, 317])
async def test_a_code_whose_size_is_another_is_damaged(
    coder: httpx.AsyncClient, width: int
) -> None:
    code = unpack((await coder.post("/v1/compress", content=encode_png(_image()))).content)
    wrong = type(code)(**{**vars(code), "width": width + 16, "payload": code.payload[:-4]})
    response = await coder.post("/v1/decompress", content=pack(wrong))
    assert assert_problem(response, 422)["reason"] == "damaged"


async def test_graphs_of_the_codec_can_be_inferred_over_v2(coder: httpx.AsyncClient) -> None:
    tensor = {"name": "images", "shape": [1, 24, 24, 3], "datatype": "UINT8", "data": [9] * 1728}
    quality = {"name": "quality", "shape": [1], "datatype": "INT64", "data": [0]}
    response = await coder.post("/v2/models/mosaic/infer", json={"inputs": [tensor, quality]})
    assert response.status_code == 200, response.text
    names = {output["name"]: output["shape"] for output in response.json()["outputs"]}
    assert names == {"latents": [1, 6, 2, 2], "side": [1, 3, 1, 1]}
