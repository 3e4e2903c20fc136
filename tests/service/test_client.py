"""Our own client against the real application, both kinds of it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from service.client import ApiError, AsyncClient, Client
from service.keys import hash_key
from tests.e2e.server import Server, running_server
from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.generator import publish_generator
from tests.fakes.handwriting import StraightLineModel, publish_handwriting_model
from tests.fakes.image_models import (
    BoxBlurDenoiser,
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import AlphabetModel, publish_text_model

RED = encode_png(solid_image(8, 8, (255, 0, 0)))
KEY = "a-key-that-only-alice-has-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("store")
    publish_image_model(folder, "paint", MeanColorClassifier())
    publish_image_model(folder, "blur", BoxBlurDenoiser(mode="RGB"))
    publish_factorized_codec(folder, "squeeze", FakeFactorizedCodec())
    publish_text_model(folder, "alphabet", AlphabetModel())
    publish_generator(folder, "noise")
    publish_handwriting_model(folder, "ruler", StraightLineModel())
    with running_server(folder, tmp_path_factory.mktemp("log") / "log", deadline_s=20) as server:
        yield server


def test_every_method_of_the_client(server: Server, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(RED)
    with Client(server.url) as client:
        assert [model.name for model in client.models().models] == [
            "alphabet", "blur", "noise", "paint", "ruler", "squeeze",
        ]  # fmt: skip
        for image in (RED, tmp_path / "red.png", str(tmp_path / "red.png")):
            response = client.classify(image, top_k=1)
            assert response.results[0].predictions[0].label == "red"
        assert client.denoise(RED).startswith(b"\x89PNG")
        assert client.denoise(RED, strength=0.5).startswith(b"\x89PNG")
        code = client.compress(RED, model="squeeze", version=1)
        assert client.decompress(code).startswith(b"\x89PNG")
        one, two = (client.faces(count=n, seed=7, columns=2) for n in (1, 2))
        assert one.startswith(b"\x89PNG")
        assert _size(two) == (2 * _size(one)[0], _size(one)[1])
        low, high = (client.handwriting("01", seed=3, height=h) for h in (32, 64))
        assert _size(low)[1] < _size(high)[1]
        generated = client.text("abc", max_chars=3, temperature=0, stop=["zz"])
        assert (generated.text, generated.finish_reason) == ("def", "length")
        pieces = list(client.stream_text("abc", max_chars=60, temperature=0))
        assert "".join(pieces) == client.text("abc", max_chars=60, temperature=0).text


@pytest.mark.anyio
async def test_every_method_of_the_async_client(server: Server) -> None:
    async with AsyncClient(server.url) as client:
        assert len((await client.models()).models) == 6
        response = await client.classify(RED)
        assert response.results[0].predictions[0].label == "red"
        assert (await client.denoise(RED)).startswith(b"\x89PNG")
        assert (await client.decompress(await client.compress(RED))).startswith(b"\x89PNG")
        assert _size(await client.faces(count=4, seed=7)) > _size(await client.faces(count=1))
        assert (await client.handwriting("10", bias=2.0)).startswith(b"\x89PNG")
        assert (await client.text("abc", max_chars=3)).text == "def"
        pieces = [piece async for piece in client.stream_text("abc", max_chars=9)]
        assert "".join(pieces) == "defghijkl"
        with pytest.raises(ApiError, match="00EF"):
            await client.text("ï")
        with pytest.raises(ApiError):
            _ = [piece async for piece in client.stream_text("ï")]


def _size(image: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(image)) as opened:
        return opened.size


def test_problem_is_raised_with_its_document(server: Server) -> None:
    with Client(server.url) as client:
        with pytest.raises(ApiError, match="404: there is no model 'nobody'") as raised:
            client.classify(RED, model="nobody")
        assert raised.value.status == 404
        assert raised.value.problem["available"] == ["paint"]
        with pytest.raises(ApiError, match="422: the prompt has characters"):
            list(client.stream_text("A"))
        with pytest.raises(ApiError, match="415"):
            client.classify(b"hello")


def test_a_stream_that_fails_raises_when_it_does(server: Server, tmp_path: Path) -> None:
    limits = {"deadline_s": 4, "max_text_chars": 10_000_000}
    folder = tmp_path / "store"
    publish_text_model(folder, "alphabet", AlphabetModel())
    with running_server(folder, tmp_path / "log", **limits) as slow, Client(slow.url) as client:
        pieces: list[str] = []
        with pytest.raises(ApiError, match="504"):
            pieces.extend(client.stream_text("a", max_chars=10_000_000))
        assert pieces


@pytest.mark.anyio
async def test_client_sends_its_key(tmp_path: Path) -> None:
    publish_image_model(tmp_path / "store", "paint", MeanColorClassifier())
    keys = f"alice sha256:{hash_key(KEY).hex()}"
    with running_server(tmp_path / "store", tmp_path / "log", keys=keys) as server:
        with Client(server.url) as client, pytest.raises(ApiError, match="401"):
            client.classify(RED)
        with Client(server.url, key=KEY) as client:
            assert client.classify(RED).results[0].predictions[0].label == "red"
        async with AsyncClient(server.url, key=KEY) as other:
            assert [model.name for model in (await other.models()).models] == ["paint"]


@pytest.mark.anyio
async def test_tensors_go_both_ways_as_nested_lists(server: Server) -> None:
    inputs = {"images": [[[[255, 0, 0]] * 8] * 8]}
    with Client(server.url) as client:
        predicted = client.predict("paint", inputs, version=1)
    async with AsyncClient(server.url) as async_client:
        assert await async_client.predict("paint", inputs) == predicted
    (probabilities,) = predicted.outputs["probabilities"]
    assert probabilities == pytest.approx([0.99990921, 4.5394e-05, 4.5394e-05], rel=1e-4)
