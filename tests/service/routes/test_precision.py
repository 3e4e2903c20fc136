"""Selection of a model's precision."""

from pathlib import Path

import pytest

from models_store.manifest import Precision, Variant
from models_store.verify import read_manifest
from tests.fakes.image_models import (
    MeanColourClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.manifest import INT8_VARIANT, publish_int8_variant
from tests.service.serving import running_app

pytestmark = pytest.mark.anyio

RED = encode_png(solid_image(8, 8, (255, 0, 0)))


@pytest.fixture
def twofold(tmp_path: Path) -> Path:
    """A store with one classifier, whose int8 graph is less sure than its fp32 one."""
    store, other = tmp_path / "store", tmp_path / "other"
    folder = publish_image_model(store, "paint", MeanColourClassifier(sharpness=10))
    vague = publish_image_model(other, "paint", MeanColourClassifier(sharpness=9.9))
    publish_int8_variant(folder, vague / "model.onnx", "model")
    return store


async def _asked(store: Path, query: str = "", precision: str = "auto") -> tuple[Precision, float]:
    async with running_app(store, precision=precision) as client:
        answer = await client.post(f"/v1/classify{query}", content=RED)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return told["precision"], told["results"][0]["predictions"][0]["probability"]


async def test_the_one_that_the_manifest_names_answers(twofold: Path) -> None:
    precision, vague = await _asked(twofold)
    assert precision == "int8"
    precision, sure = await _asked(twofold, "?precision=fp32")
    assert precision == "fp32"
    assert sure > vague


async def test_the_operator_may_choose_and_a_request_may_choose_again(twofold: Path) -> None:
    assert (await _asked(twofold, precision="fp32"))[0] == "fp32"
    assert (await _asked(twofold, "?precision=int8", precision="fp32"))[0] == "int8"


async def test_a_precision_that_a_model_has_not_is_refused_and_those_that_it_has_are_named(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "paint", MeanColourClassifier())
    async with running_app(tmp_path, precision="int8") as client:  # where there is one
        plain = await client.post("/v1/classify", content=RED)
        assert "precision" not in plain.json()
        answer = await client.post("/v1/classify?precision=int8", content=RED)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "precision is int8; paint 1 has fp32"
    assert answer.json()["accepted"] == ["fp32"]


async def test_a_variant_that_does_not_reproduce_the_golden_answers_is_not_served(
    twofold: Path,
) -> None:
    folder = twofold / "paint" / "1"
    manifest = read_manifest(folder)
    strict = Variant.model_validate(INT8_VARIANT.model_dump() | {"atol": 1e-9})
    text = manifest.model_copy(update={"variants": (strict,)}).model_dump_json()
    (folder / "manifest.json").write_text(text)
    async with running_app(twofold) as client:
        (model,) = (await client.get("/v1/models")).json()["models"]
    assert model["versions"][0]["state"] == "failed"
    assert "model-int8.onnx" in model["versions"][0]["reason"]
