from pathlib import Path

import httpx
import pytest

from models_store.manifest import Manifest
from tests.service.serving import assert_problem, running_app

pytestmark = pytest.mark.anyio


async def test_the_list_has_every_model_version_and_default(client: httpx.AsyncClient) -> None:
    ready = [{"version": 1, "state": "ready", "providers": ["cpu"]}]
    assert (await client.get("/v1/models")).json() == {
        "models": [
            {"name": "all-paint", "task": "classification", "default": False, "versions": ready},
            {"name": "blur", "task": "denoising", "default": True, "versions": ready},
            {"name": "colour-same", "task": "denoising", "default": False, "versions": ready},
            {
                "name": "paint",
                "task": "classification",
                "default": True,
                "versions": [*ready, {**ready[0], "version": 2}],
            },
        ]
    }


async def test_the_card_is_the_manifest_with_the_state(
    client: httpx.AsyncClient, store: Path
) -> None:
    card = (await client.get("/v1/models/paint?version=1")).json()
    assert card.pop("state") == "ready"
    assert card.pop("providers") == {"model": "cpu"}
    published = Manifest.model_validate_json((store / "paint/1/manifest.json").read_bytes())
    assert Manifest.model_validate(card) == published


async def test_the_card_without_a_version_is_of_the_one_that_serves(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/models/paint")).json()["version"] == 2


async def test_preview_is_the_published_image(client: httpx.AsyncClient, store: Path) -> None:
    response = await client.get("/v1/models/blur/preview")
    assert response.headers["content-type"] == "image/png"
    assert response.content == (store / "blur/1/preview.png").read_bytes()


@pytest.mark.parametrize("page", ["", "/preview"])
async def test_unknown_model_or_version_is_rejected_with_those_that_exist(
    client: httpx.AsyncClient, page: str
) -> None:
    problem = assert_problem(await client.get(f"/v1/models/resnet{page}"), 404)
    assert problem["available"] == ["all-paint", "blur", "colour-same", "paint"]
    problem = assert_problem(await client.get(f"/v1/models/paint{page}?version=7"), 404)
    assert problem["available"] == [1, 2]
    assert_problem(await client.get(f"/v1/models/paint{page}?version=zero"), 422)
    assert_problem(await client.get(f"/v1/models/paint{page}?verson=1"), 422)


async def test_models_that_are_not_to_be_served_are_listed_as_unloaded(store: Path) -> None:
    async with running_app(store, models=("paint",)) as client:
        listed = (await client.get("/v1/models")).json()["models"]
        states = {model["name"]: model["versions"][0]["state"] for model in listed}
        assert states == {
            "all-paint": "unloaded", "blur": "unloaded",
            "colour-same": "unloaded", "paint": "ready",
        }  # fmt: skip
        response = await client.post("/v1/denoise", content=b"x")
        assert "no model for denoising is ready" in str(assert_problem(response, 503)["detail"])
        assert (await client.get("/v1/models/blur")).json()["state"] == "unloaded"


async def test_default_of_the_operator_is_used(store: Path) -> None:
    async with running_app(store, defaults={"denoising": "blur"}) as client:
        listed = (await client.get("/v1/models")).json()["models"]
        assert [model["name"] for model in listed if model["default"]] == ["blur", "paint"]


async def test_default_denoiser_is_one_for_colour(store: Path) -> None:
    async with running_app(store) as client:
        listed = (await client.get("/v1/models")).json()["models"]
        assert [model["name"] for model in listed if model["default"]] == ["colour-same", "paint"]


async def test_missing_default_of_the_operator_is_an_error(store: Path) -> None:
    async with running_app(store, defaults={"denoising": "gone"}) as client:
        problem = assert_problem(await client.post("/v1/denoise", content=b"x"), 503)
        assert "gone" in str(problem["detail"])
