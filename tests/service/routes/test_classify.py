import httpx
import numpy as np
import pytest

from tests.fakes.image_models import COLORS, encode_png, solid_image
from tests.service.serving import assert_problem

pytestmark = pytest.mark.anyio

RED, GREEN, BLUE = (
    encode_png(solid_image(20, 30, c)) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
)


def _labels(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [result["predictions"][0]["label"] for result in response.json()["results"]]


async def test_image_as_raw_body_is_classified(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/classify", content=GREEN)
    assert _labels(response) == ["green"]
    assert response.headers["content-type"] == "application/json"


async def test_response_has_the_documented_shape_and_the_probabilities_of_the_graph(
    client: httpx.AsyncClient,
) -> None:
    response = (await client.post("/v1/classify", content=BLUE)).json()
    # softmax(20, 0, 0) by hand: version 2 of paint has sharpness 20
    weights = np.exp([20.0, 0.0, 0.0])
    expected = weights / weights.sum()
    assert response == {
        "model": "paint",
        "version": 2,
        "results": [
            {
                "predictions": [
                    {"label": label, "index": index, "probability": pytest.approx(p, rel=1e-4)}
                    for label, index, p in zip(
                        ["blue", "red", "green"], [2, 0, 1], expected.tolist(), strict=True
                    )
                ]
            }
        ],
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "image/jpeg",  # a wrong type is no error: the format is detected
        "application/octet-stream",
        "application/x-www-form-urlencoded",  # what curl --data-binary sends
        "IMAGE/PNG; charset=binary",
    ],
)
async def test_image_format_is_detected_regardless_of_content_type(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await client.post(
        "/v1/classify", content=RED, headers={"content-type": content_type}
    )
    assert _labels(response) == ["red"]


async def test_several_images_are_classified_in_the_order_sent(client: httpx.AsyncClient) -> None:
    files = [("image", ("a.png", image)) for image in (BLUE, RED, GREEN, RED)]
    response = await client.post("/v1/classify", files=files)
    assert _labels(response) == ["blue", "red", "green", "red"]


async def test_image_in_a_form_needs_no_file_name(client: httpx.AsyncClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + RED + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await client.post("/v1/classify", content=body, headers=headers)
    assert _labels(response) == ["red"]


async def test_response_of_an_ensemble_has_the_vote_of_each_member(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/v1/classify", params={"model": "all-paint"}, content=GREEN)
    (result,) = response.json()["results"]
    assert [vote["label"] for vote in result["members"]] == ["green"] * 3
    # Member m has logits (10 m, 0, 0): sharper each time.
    expected = [1 / (1 + 2 * np.exp(-10.0 * m)) for m in (1, 2, 3)]
    assert [vote["probability"] for vote in result["members"]] == pytest.approx(expected)
    assert result["predictions"][0]["probability"] == pytest.approx(np.mean(expected))


async def test_an_ensemble_is_not_the_default_though_its_name_comes_first(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.post("/v1/classify", content=RED)).json()["model"] == "paint"


async def test_version_can_be_selected(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/classify?model=paint&version=1", content=RED)
    assert response.json()["version"] == 1


async def test_parameters_may_be_fields_of_the_form_and_the_query_wins(
    client: httpx.AsyncClient,
) -> None:
    form = {"model": "paint", "version": "1", "top_k": "1"}
    response = await client.post("/v1/classify", files={"image": RED}, data=form)
    assert (response.json()["version"], len(response.json()["results"][0]["predictions"])) == (1, 1)
    response = await client.post("/v1/classify?top_k=2", files={"image": RED}, data=form)
    assert (response.json()["version"], len(response.json()["results"][0]["predictions"])) == (1, 2)


@pytest.mark.parametrize("top_k", [1, 2, 3])
async def test_top_k_labels_are_returned(client: httpx.AsyncClient, top_k: int) -> None:
    response = await client.post("/v1/classify", params={"top_k": top_k}, content=RED)
    assert len(response.json()["results"][0]["predictions"]) == top_k


async def test_default_top_k_returns_all_labels_of_a_model_with_few(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/v1/classify", content=RED)
    predictions = response.json()["results"][0]["predictions"]
    assert {prediction["label"] for prediction in predictions} == set(COLORS)


@pytest.mark.parametrize("top_k", ["0", "-1", "4", "many", "1.5", ""])
async def test_top_k_out_of_range_is_rejected_with_its_value(
    client: httpx.AsyncClient, top_k: str
) -> None:
    response = await client.post("/v1/classify", params={"top_k": top_k}, content=RED)
    detail = str(assert_problem(response, 422)["detail"])
    assert "top_k" in detail
    assert top_k in detail


async def test_top_k_in_a_form_has_the_same_range(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/classify", files={"image": RED}, data={"top_k": "0"})
    assert "top_k: must be at least 1" in str(assert_problem(response, 422)["detail"])


async def test_misspelt_parameter_is_rejected_with_the_known_ones(
    client: httpx.AsyncClient,
) -> None:
    detail = assert_problem(await client.post("/v1/classify?topk=1", content=RED), 422)["detail"]
    assert detail == "unknown parameter 'topk'; did you mean 'top_k'?"


async def test_unknown_model_is_rejected_with_the_known_ones(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.post("/v1/classify?model=resnet", content=RED), 404)
    assert "'resnet'" in str(problem["detail"])
    assert problem["available"] == ["all-paint", "paint"]


async def test_unknown_version_is_rejected_with_the_known_ones(
    client: httpx.AsyncClient,
) -> None:
    problem = assert_problem(
        await client.post("/v1/classify?model=paint&version=9", content=RED), 404
    )
    assert "paint has no version 9" in str(problem["detail"])
    assert problem["available"] == [1, 2]


async def test_model_of_another_task_is_rejected(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.post("/v1/classify?model=blur", content=RED), 404)
    assert "blur 1 does denoising, not classification" in str(problem["detail"])


async def test_unknown_model_in_a_form_is_rejected(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/classify", files={"image": RED}, data={"model": "../etc"})
    assert "'../etc'" in str(assert_problem(response, 404)["detail"])
