import base64
import io

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.fakes.image_models import encode_png
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio

JSON = {"accept": "application/json"}


def _noise(height: int, width: int, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def _box_blur(image_HW: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean of the 3 × 3 pixels around each inner pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(image_HW.astype(np.float64), (3, 3))
    means: NDArray[np.float64] = windows.mean(axis=(2, 3))
    return means


@pytest.mark.parametrize("size", [(28, 28), (1, 1), (30, 45), (101, 77), (5, 200)])
async def test_image_of_any_size_keeps_its_size(
    client: httpx.AsyncClient, size: tuple[int, int]
) -> None:
    noisy = _noise(*size)
    response = await client.post("/v1/denoise", content=encode_png(noisy))
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-deepshelf-model"] == "blur"
    assert response.headers["x-deepshelf-version"] == "1"
    got = _pixels(response.content)
    assert got.shape == size
    if min(size) > 2:
        assert np.abs(got[1:-1, 1:-1] - _box_blur(noisy[..., 0])).max() <= 0.51


async def test_colour_goes_through_a_colour_model_unchanged(client: httpx.AsyncClient) -> None:
    color = _noise(33, 47, 3)
    response = await client.post("/v1/denoise?model=colour-same", content=encode_png(color))
    assert np.array_equal(_pixels(response.content), color)


def _file(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "I;16"])
async def test_grey_stays_grey_through_a_colour_model(client: httpx.AsyncClient, mode: str) -> None:
    gray = _noise(21, 34)[..., 0]
    image = Image.fromarray(gray.astype(np.uint16) * 257 if mode == "I;16" else gray)
    sent = _file(image if mode == "I;16" else image.convert(mode))
    response = await client.post("/v1/denoise?model=colour-same", content=sent)
    assert np.array_equal(_pixels(response.content), gray)


@pytest.mark.parametrize("strength", [0.25, 0.6, 1])
async def test_strength_blends_input_and_output(client: httpx.AsyncClient, strength: float) -> None:
    noisy = _noise(40, 70)
    blurred = _pixels((await client.post("/v1/denoise", content=encode_png(noisy))).content)
    files, data = {"image": encode_png(noisy)}, {"strength": str(strength)}
    for response in (
        await client.post(f"/v1/denoise?strength={strength}", content=encode_png(noisy)),
        await client.post("/v1/denoise", files=files, data=data),
    ):
        expected = noisy[..., 0] + strength * (blurred.astype(np.float64) - noisy[..., 0])
        assert np.abs(_pixels(response.content) - expected).max() <= 0.501


async def test_strength_zero_returns_the_image_unchanged(client: httpx.AsyncClient) -> None:
    noisy = _noise(40, 70)
    response = await client.post("/v1/denoise?strength=0", content=encode_png(noisy))
    assert np.array_equal(_pixels(response.content), noisy[..., 0])


@pytest.mark.parametrize("strength", ["-0.1", "1.01", "nan", "much"])
async def test_strength_out_of_range_is_rejected(client: httpx.AsyncClient, strength: str) -> None:
    response = await client.post(
        f"/v1/denoise?strength={strength}", content=encode_png(_noise(4, 4))
    )
    assert "strength" in str(assert_problem(response, 422))


async def test_transparency_is_composited_on_white(client: httpx.AsyncClient) -> None:
    color = np.zeros((6, 9, 4), np.uint8)
    color[:3, :, 1], color[:3, :, 3] = 200, 255
    response = await client.post(
        "/v1/denoise?model=colour-same", content=_file(Image.fromarray(color))
    )
    got = _pixels(response.content)
    assert got.shape == (6, 9, 3)
    assert (got[:3] == (0, 200, 0)).all()
    assert (got[3:] == 255).all()


async def test_grey_image_is_compared_with_a_colour_reference(client: httpx.AsyncClient) -> None:
    gray, color = _noise(20, 30), _noise(20, 30, 3) // 2
    files = [("image", encode_png(gray)), ("reference", encode_png(color))]
    response = await client.post("/v1/denoise?model=colour-same", files=files, headers=JSON)
    (result,) = response.json()["results"]
    expected = peak_signal_noise_ratio(color, gray.repeat(3, 2), data_range=255)  # type: ignore[no-untyped-call]
    assert result["psnr_db"] == pytest.approx(expected)


async def test_json_has_the_promised_shape_in_the_order_sent(client: httpx.AsyncClient) -> None:
    first, second = _noise(20, 30, 3), _noise(8, 9, 3)
    files = [("image", encode_png(first)), ("image", encode_png(second))]
    response = await client.post("/v1/denoise?model=colour-same", files=files, headers=JSON)
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert (document["model"], document["version"]) == ("colour-same", 1)
    assert [set(result) for result in document["results"]] == [{"image", "width", "height"}] * 2
    for result, body in zip(document["results"], (first, second), strict=True):
        assert np.array_equal(_pixels(base64.b64decode(result["image"])), body)
        assert (result["height"], result["width"]) == body.shape[:2]


async def test_a_reference_gives_psnr_and_ssim_as_scikit_image_computes_them(
    client: httpx.AsyncClient,
) -> None:
    noisy, clean = _noise(40, 50, 3), _noise(40, 50, 3) // 2
    files = [("image", encode_png(noisy)), ("reference", encode_png(clean))]
    url = "/v1/denoise?model=colour-same"
    (result,) = (await client.post(url, files=files, headers=JSON)).json()["results"]
    psnr = peak_signal_noise_ratio(clean, noisy, data_range=255)  # type: ignore[no-untyped-call]
    ssim = structural_similarity(  # type: ignore[no-untyped-call]
        clean, noisy, data_range=255, channel_axis=2,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert result["psnr_db"] == pytest.approx(psnr)
    assert result["ssim"] == pytest.approx(ssim)
    response = await client.post(url, files=files)
    assert float(response.headers["x-deepshelf-psnr-db"]) == pytest.approx(psnr, abs=1e-4)
    assert float(response.headers["x-deepshelf-ssim"]) == pytest.approx(ssim, abs=1e-6)


async def test_psnr_is_null_if_the_result_equals_the_reference(
    client: httpx.AsyncClient,
) -> None:
    body = encode_png(_noise(20, 20, 3))
    files = [("image", body), ("reference", body)]
    response = await client.post("/v1/denoise?model=colour-same", files=files, headers=JSON)
    (result,) = response.json()["results"]
    assert result["psnr_db"] is None
    assert result["ssim"] == pytest.approx(1)


async def test_reference_of_another_size_is_rejected(client: httpx.AsyncClient) -> None:
    files = [("image", encode_png(_noise(20, 30))), ("reference", encode_png(_noise(30, 20)))]
    detail = str(assert_problem(await client.post("/v1/denoise", files=files), 422)["detail"])
    assert "20 × 30" in detail
    assert "30 × 20" in detail


async def test_references_must_be_as_many_as_images(client: httpx.AsyncClient) -> None:
    body = encode_png(_noise(20, 20))
    files = [("image", body), ("reference", body), ("reference", body)]
    assert_problem(await client.post("/v1/denoise", files=files), 422)


async def test_several_images_as_one_png_are_rejected_with_json_as_alternative(
    client: httpx.AsyncClient,
) -> None:
    problem = assert_problem(
        await client.post("/v1/denoise", files=[("image", encode_png(_noise(4, 4)))] * 2), 422
    )
    assert problem["accepted"] == ["application/json"]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("application/json", "application/json"),
        ("application/json, */*;q=0.5", "application/json"),
        ("image/png;q=0.2, application/json;q=0.9", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "image/png"),
        ("application/json;q=0, image/png", "image/png"),
    ],
)
async def test_accept_chooses_between_png_and_json(
    client: httpx.AsyncClient, accept: str, content_type: str
) -> None:
    response = await client.post(
        "/v1/denoise", content=encode_png(_noise(4, 4)), headers={"accept": accept}
    )
    assert response.headers["content-type"] == content_type


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "image/webp, text/*"])
async def test_unacceptable_media_type_is_rejected_with_those_available(
    client: httpx.AsyncClient, accept: str
) -> None:
    response = await client.post(
        "/v1/denoise", content=encode_png(_noise(4, 4)), headers={"accept": accept}
    )
    assert assert_problem(response, 406)["accepted"] == ["image/png", "application/json"]
