"""`GET /v1/handwriting`: a drawing that is known beforehand, in three forms."""

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.fakes.handwriting import StraightLineModel, publish_handwriting_model
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

URL = "/v1/handwriting"
JSON, PNG = {"Accept": "application/json"}, {"Accept": "image/png"}


@pytest.fixture(scope="module")
def published_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("drawing")
    publish_handwriting_model(store, "ruler", StraightLineModel())
    publish_handwriting_model(store, "shaky", StraightLineModel(log_deviation=-2.5))
    publish_image_model(store, "paint", MeanColorClassifier())
    return store


@pytest.fixture
async def client(published_store: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(published_store) as client:
        yield client


async def test_strokes_have_the_expected_coordinates(client: httpx.AsyncClient) -> None:
    response = await client.get(URL, params={"text": "01", "height": 100, "seed": 3}, headers=JSON)
    page = response.json()
    assert {key: page[key] for key in ("model", "version", "seed", "text")} == {
        "model": "ruler", "version": 1, "seed": 3, "text": "01",
    }  # fmt: skip
    # Boxes are half as wide as high: three steps of a quarter are 37.5 pixels, then a gap of 22,
    # then the upright, which leaves its box at the top by half its height; margins of 14.
    ((flat,), (upright,)) = (symbol["strokes"] for symbol in page["symbols"])
    np.testing.assert_allclose(flat, [[14 + 12.5 * i, 114] for i in range(4)], atol=0.01)
    np.testing.assert_allclose(upright, [[73.5, 89 - 25 * i] for i in range(4)], atol=0.01)
    assert (page["width"], page["height"]) == (88, 178)


async def test_an_svg_has_a_curve_for_every_stroke(client: httpx.AsyncClient) -> None:
    response = await client.get(URL, params={"text": "01", "height": 100})
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["x-deepshelf-model"] == "ruler"
    svg = ET.fromstring(response.text)  # noqa: S314  # ours
    assert (svg.get("width"), svg.get("height"), svg.get("aria-label")) == ("88", "178", "01")
    paths = [path.get("d", "") for path in svg]
    assert [len(re.findall("C", path)) for path in paths] == [3, 3]
    assert paths[0].startswith("M14.00,114.00C")
    assert paths[0].endswith(" 51.50,114.00")


async def test_an_animated_svg_moves_and_a_still_one_does_not(client: httpx.AsyncClient) -> None:
    still = (await client.get(URL, params={"text": "01"})).text
    moving = (await client.get(URL, params={"text": "01", "animate": "true"})).text
    assert (still.count("<animate "), moving.count("<animate ")) == (0, 2)
    ET.fromstring(moving)  # noqa: S314  # ours


async def test_a_png_is_ink_along_the_strokes(client: httpx.AsyncClient) -> None:
    response = await client.get(URL, params={"text": "01", "height": 100}, headers=PNG)
    assert response.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert (image.size, image.mode) == ((88, 178), "L")
        pixels = np.asarray(image)
    assert pixels[114, 14:52].max() < 40
    assert pixels[14:90, 73].max() < 40
    assert pixels[:110, :65].min() == 255


async def test_the_same_seed_is_the_same_drawing_and_no_seed_a_new_one(
    client: httpx.AsyncClient,
) -> None:
    settings = {"text": "0110", "model": "shaky"}
    first, second = [await client.get(URL, params={**settings, "seed": 9}) for _ in range(2)]
    assert first.content == second.content
    other, another = [await client.get(URL, params=settings) for _ in range(2)]
    assert other.content != another.content
    again = await client.get(URL, params={**settings, "seed": other.headers["x-deepshelf-seed"]})
    assert again.content == other.content


async def test_more_bias_is_steadier(client: httpx.AsyncClient) -> None:
    spread: dict[int, float] = {}
    for bias in (0, 3):
        settings = f"?text={'0' * 30}&model=shaky&seed=1&height=100&bias={bias}"
        page = (await client.get(URL + settings, headers=JSON)).json()
        steps = [np.diff(symbol["strokes"][0], axis=0)[:, 0] for symbol in page["symbols"]]
        spread[bias] = np.concatenate(steps).std()
    assert spread[3] < 0.2 * spread[0]


async def test_space_widens_the_gap(client: httpx.AsyncClient) -> None:
    together, apart = [
        (await client.get(URL, params={"text": text, "height": 100}, headers=JSON)).json()
        for text in ("11", "1 1")
    ]
    assert apart["width"] - together["width"] == 45
    assert len(apart["symbols"]) == 2


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"text": "0a1é"}, "cannot draw 'a' (U+0061), 'é' (U+00E9); it draws 01 and blanks"),
        ({"text": "  "}, "only blanks"),
        ({"text": ""}, "text: "),
        ({"text": "0" * 65}, "text: "),
        ({"bias": "-1"}, "bias: "),
        ({"bias": "nan"}, "bias: "),
        ({"height": "4"}, "height: "),
        ({"seed": "x"}, "seed: "),
        (
            {"texts": "0"},
            "unknown parameter 'texts'; did you mean 'text'?",
        ),
    ],
)
async def test_bad_values_are_rejected_with_the_accepted_ones(
    client: httpx.AsyncClient, requested: dict[str, str], message: str
) -> None:
    problem = assert_problem(await client.get(URL, params={"text": "0", **requested}), 422)
    assert message in str(problem["detail"])


async def test_model_of_another_task_and_unacceptable_media_type_are_rejected(
    client: httpx.AsyncClient,
) -> None:
    problem = assert_problem(await client.get(URL, params={"text": "0", "model": "paint"}), 404)
    assert problem["available"] == ["ruler", "shaky"]
    assert_problem(await client.get(URL, headers={"Accept": "text/plain"}), 406)


async def test_graph_that_does_not_match_its_task_is_not_served(tmp_path: Path) -> None:
    folder = publish_handwriting_model(tmp_path, "ruler", StraightLineModel())
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"components": 1', '"components": 2'))
    async with running_app(tmp_path) as client:
        problem = assert_problem(await client.get(URL, params={"model": "ruler"}), 503)
        assert "mixture is float32" in str(problem["detail"])
