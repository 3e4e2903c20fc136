"""`/v1/game`: rounds that hide which image is real, and the response to a choice."""

import io
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.handlers import game
from tests.fakes.generator import publish_generator
from tests.fakes.handwriting import StraightLineModel, publish_handwriting_model
from tests.fakes.image_models import encode_png, solid_image
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

URL = "/v1/game"
GREEN = (0, 255, 0)
SECRETS = ("one", "two")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("game")
    publish_handwriting_model(store, "ruler", StraightLineModel())
    publish_generator(store, "noise")
    return store


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "a.png").write_bytes(encode_png(solid_image(30, 60, GREEN)))
    (folder / "b.jpg").write_bytes(b"not an image")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


@pytest.fixture
async def client(store: Path, photographs: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store, real_faces=photographs) as client:
        yield client


async def start(client: httpx.AsyncClient, name: str) -> tuple[str, list[np.ndarray[Any, Any]]]:
    response = await client.get(f"{URL}/{name}")
    assert response.status_code == 200, response.text
    images = [Image.open(io.BytesIO(b64decode(image))) for image in response.json()["images"]]
    return response.json()["round"], [np.asarray(image) for image in images]


async def answer(client: httpx.AsyncClient, token: str, choice: int) -> dict[str, Any]:
    response = await client.post(URL, json={"round": token, "choice": choice})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


async def test_the_photograph_is_the_right_answer(client: httpx.AsyncClient) -> None:
    positions = set()
    for _ in range(12):
        token, images = await start(client, "faces")
        green = [bool((image == GREEN).all()) for image in images]
        assert sorted(green) == [False, True]
        real = green.index(True)
        positions.add(real)
        assert await answer(client, token, real) == {"correct": True, "answer": real}
        assert await answer(client, token, 1 - real) == {"correct": False, "answer": real}
    assert positions == {0, 1}
    body = {"round": token, "choice": True}
    assert "true or false" in str(assert_problem(await client.post(URL, json=body), 422))


async def test_the_digit_of_a_person_is_one_of_the_recorded_ones(
    client: httpx.AsyncClient,
) -> None:
    token, images = await start(client, "digits")
    result = await answer(client, token, 0)
    # The fake draws straight lines of one stroke, which fill little of their box.
    ink = [(image < 128).sum() for image in images]
    assert result["answer"] == int(np.argmax(ink))


async def test_a_round_of_another_service_is_rejected(store: Path) -> None:
    async with running_app(store, game_secret=SECRETS[0]) as first:
        token, _ = await start(first, "digits")
        assert await answer(first, token, 0)
    async with running_app(store, game_secret=SECRETS[0]) as replica:
        assert await answer(replica, token, 0)
    async with running_app(store, game_secret=SECRETS[1]) as other:
        problem = assert_problem(await other.post(URL, json={"round": token, "choice": 0}), 422)
        assert "round is not a token of this service" in str(problem["detail"])


@pytest.mark.parametrize(
    "body", [{"round": "digits.00.00", "choice": 0}, {"round": "", "choice": 0}, {"choice": 2}, {}]
)
async def test_a_wrong_answer_form_is_rejected(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert_problem(await client.post(URL, json=body), 422)


async def test_games_are_listed_that_can_be_played(store: Path, photographs: Path) -> None:
    async with running_app(store, real_faces=photographs) as client:
        assert (await client.get(URL)).json() == {"games": ["digits", "faces"]}
    async with running_app(store) as client:
        assert (await client.get(URL)).json() == {"games": ["digits"]}
        problem = assert_problem(await client.get(f"{URL}/faces"), 404)
        assert "DEEPSHELF_REAL_FACES" in str(problem["detail"])


async def test_photographs_that_cannot_be_read_are_an_error(store: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not an image")
    async with running_app(store, real_faces=tmp_path) as client:
        assert_problem(await client.get(f"{URL}/faces"), 503)


def test_the_recorded_digits_are_attributed_and_fill_their_boxes() -> None:
    document = json.loads(game._PEN_DIGITS.read_text())
    assert document["licence"].startswith("CC BY 4.0")
    assert {"title", "authors", "source", "changes"} <= set(document)
    assert list(document["digits"]) == list("0123456789")
    assert sum(map(len, document["digits"].values())) == 292
    for drawings in game._pen_digits().values():
        for drawing in drawings:
            points = np.concatenate(drawing)
            assert len(points) == 8
            assert (points.min(axis=0) == 0).all()
            assert (points.max(axis=0) == 1).all()
