import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from models_store.sampling.latents import latent_from_seed, slerp, truncate
from tests.fakes.generator import HEIGHT, LATENT, TYPICAL, WIDTH, expected_image, publish_generator
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio

JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    publish_generator(folder, "levels", gain=20.0)
    publish_generator(folder, "levels")
    publish_image_model(folder, "paint", MeanColorClassifier())
    return folder


@pytest.fixture(scope="module")
async def client(store: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(store) as client:
        yield client


def _face(seed: int, truncation: float = 1.0, gain: float = 40.0) -> NDArray[np.uint8]:
    own, typical = latent_from_seed(seed, LATENT), latent_from_seed(TYPICAL, LATENT)
    return expected_image(truncate(own, typical, truncation), gain)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


async def _faces(client: httpx.AsyncClient, query: str = "") -> httpx.Response:
    response = await client.get(f"/v1/faces{query}")
    assert response.status_code == 200, response.text
    return response


async def test_one_face_is_the_face_of_its_seed(client: httpx.AsyncClient) -> None:
    response = await _faces(client, "?count=1&seed=7")
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-deepshelf-model"] == "levels"
    assert response.headers["x-deepshelf-version"] == "2"
    assert response.headers["x-deepshelf-seed"] == "7"
    assert np.array_equal(_pixels(response.content), _face(7))


@pytest.mark.parametrize(
    ("query", "columns", "rows"),
    [("count=5", 3, 2), ("count=5&columns=5", 5, 1), ("count=3&columns=9", 3, 1), ("", 4, 4)],
)
async def test_grid_is_in_row_major_order_and_padded_with_white(
    client: httpx.AsyncClient, query: str, columns: int, rows: int
) -> None:
    grid = _pixels((await _faces(client, f"?seed=7&{query}")).content)
    assert grid.shape == (rows * HEIGHT, columns * WIDTH, 3)
    cells = (
        grid.reshape(rows, HEIGHT, columns, WIDTH, 3).swapaxes(1, 2).reshape(-1, HEIGHT, WIDTH, 3)
    )
    count = int(query[6]) if query else 16
    for index, cell in enumerate(cells):
        white = np.full_like(cell, 255)
        assert np.array_equal(cell, _face(7 + index) if index < count else white)


async def test_json_has_each_face_with_its_seed(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/faces?count=3&seed=40", headers=JSON)
    document = response.json()
    assert (document["model"], document["version"]) == ("levels", 2)
    assert [face["seed"] for face in document["faces"]] == [40, 41, 42]
    for face in document["faces"]:
        assert np.array_equal(_pixels(base64.b64decode(face["image"])), _face(face["seed"]))


async def test_default_seed_is_random_and_returned(
    client: httpx.AsyncClient,
) -> None:
    first, second = [await _faces(client, "?count=1") for _ in range(2)]
    seeds = [int(response.headers["x-deepshelf-seed"]) for response in (first, second)]
    assert seeds[0] != seeds[1]
    assert np.array_equal(_pixels(first.content), _face(seeds[0]))


async def test_truncation_moves_faces_towards_the_typical_one(client: httpx.AsyncClient) -> None:
    response = await _faces(client, "?count=1&seed=7&truncation=0.5")
    assert np.array_equal(_pixels(response.content), _face(7, 0.5))
    both = _pixels((await _faces(client, "?count=2&truncation=0")).content)
    assert np.array_equal(both, np.concatenate([_face(TYPICAL)] * 2, axis=1))


async def test_older_version_can_be_selected(client: httpx.AsyncClient) -> None:
    response = await _faces(client, "?count=1&seed=7&model=levels&version=1")
    assert np.array_equal(_pixels(response.content), _face(7, gain=20.0))


@pytest.mark.parametrize("path", ["/v1/faces", "/v1/faces/morph"])
async def test_model_of_another_task_is_rejected(client: httpx.AsyncClient, path: str) -> None:
    problem = assert_problem(await client.get(f"{path}?model=paint"), 404)
    assert problem["available"] == ["levels"]


async def test_post_accepts_json_a_query_or_no_parameters(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/faces?count=1", json={"seed": 7, "count": 9})
    assert np.array_equal(_pixels(response.content), _face(7))
    assert (await client.post("/v1/faces")).status_code == 200
    assert_problem(await client.post("/v1/faces", content=b"{"), 400)
    assert_problem(await client.post("/v1/faces", files={"count": b"1"}), 415)
    assert_problem(await client.post("/v1/faces", content=b" " * 5000), 413)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("count=0", "count"),
        ("count=65", "count"),
        ("columns=0", "columns"),
        ("columns=65", "columns"),
        ("seed=-1", "seed"),
        (f"seed={2**63}", "seed"),
        ("truncation=1.1", "truncation"),
        ("truncation=nan", "truncation"),
        ("number=3", "count"),
    ],
)
async def test_a_wrong_value_is_named(client: httpx.AsyncClient, query: str, message: str) -> None:
    problem = assert_problem(await client.get(f"/v1/faces?{query}"), 422)
    assert message in str(problem)


@pytest.mark.parametrize("body", [{"count": True}, {"seed": 1.5}, {"seed": "x"}])
async def test_a_wrong_value_in_json_is_named(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    assert next(iter(body)) in str(assert_problem(await client.post("/v1/faces", json=body), 422))


@pytest.mark.parametrize(
    ("accept", "form"), [("*/*", "PNG"), ("image/webp", "WEBP"), ("image/gif", "GIF")]
)
async def test_morph_starts_at_one_face_and_ends_at_the_other(
    client: httpx.AsyncClient, accept: str, form: str
) -> None:
    response = await client.get("/v1/faces/morph?from=7&to=8&steps=5", headers={"accept": accept})
    assert response.headers["content-type"] == f"image/{form.lower()}"
    assert (response.headers["x-deepshelf-from"], response.headers["x-deepshelf-to"]) == ("7", "8")
    animation = Image.open(io.BytesIO(response.content))
    assert (animation.format, animation.info["loop"]) == (form, 0)
    frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    assert len(frames) == 5
    if form != "GIF":  # 256 colours
        start, end = latent_from_seed(7, LATENT), latent_from_seed(8, LATENT)
        for index, frame in enumerate(frames):
            assert np.array_equal(frame, expected_image(slerp(start, end, index / 4)))
        assert np.array_equal(frames[0], _face(7))
        assert np.array_equal(frames[-1], _face(8))


async def test_morph_takes_json_and_returns_its_seeds(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/v1/faces/morph", json={"from": 3, "frame_ms": 200, "steps": 2})
    end = int(response.headers["x-deepshelf-to"])
    animation = Image.open(io.BytesIO(response.content))
    assert animation.info["duration"] == 200
    animation.seek(1)
    assert np.array_equal(np.asarray(animation.convert("RGB")), _face(end))


@pytest.mark.parametrize(
    ("query", "message"),
    [("steps=1", "steps"), ("steps=65", "steps"), ("from=-1", "from"), ("frm=1", "from"),
     ("from_=1", "from"), ("frame_ms=5", "frame_ms")],
)  # fmt: skip
async def test_a_morph_names_a_wrong_value(
    client: httpx.AsyncClient, query: str, message: str
) -> None:
    assert message in str(assert_problem(await client.get(f"/v1/faces/morph?{query}"), 422))


@pytest.mark.parametrize("query", ["from=7&to=7", "from=7&to=8&truncation=0", "from=7&to=8"])
@pytest.mark.parametrize(("accept", "shown_ms"), [("image/png", 85), ("image/webp", 85),
                                                  ("image/gif", 90)])  # fmt: skip
@pytest.mark.parametrize("steps", [2, 5])
async def test_a_morph_has_every_frame_and_its_duration_also_where_frames_are_equal(
    client: httpx.AsyncClient, query: str, accept: str, shown_ms: int, steps: int
) -> None:
    path = f"/v1/faces/morph?{query}&steps={steps}&frame_ms=85"
    morphed = await client.get(path, headers={"accept": accept})
    animation = Image.open(io.BytesIO(morphed.content))
    durations = []
    for frame in range(steps):
        animation.seek(frame)
        animation.load()
        durations.append(animation.info["duration"])
    assert durations == [shown_ms] * steps
    assert getattr(animation, "n_frames", 1) == steps
    assert animation.info["loop"] == 0


@pytest.mark.parametrize(("frame_ms", "shown_ms"), [(20, 20), (24, 20), (25, 30), (1996, 2000)])
async def test_the_delay_of_a_gif_is_rounded_to_centiseconds(
    client: httpx.AsyncClient, frame_ms: int, shown_ms: int
) -> None:
    path = f"/v1/faces/morph?from=7&to=8&steps=2&frame_ms={frame_ms}"
    morphed = await client.get(path, headers={"accept": "image/gif"})
    assert Image.open(io.BytesIO(morphed.content)).info["duration"] == shown_ms


@pytest.mark.parametrize(("path", "accept"), [("", "image/gif"), ("/morph", "application/json")])
async def test_invalid_parameters_are_rejected_with_the_accepted_ones(
    client: httpx.AsyncClient, path: str, accept: str
) -> None:
    response = await client.get(f"/v1/faces{path}", headers={"accept": accept})
    assert "image/png" in str(assert_problem(response, 406)["accepted"])
