"""Selection of a model's precision."""

from pathlib import Path

import pytest

from models_store.manifest import Precision, Variant
from models_store.verify import read_manifest
from tests.fakes.image_models import (
    MeanColorClassifier,
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
    """Publish one classifier, whose int8 graph is less confident than its fp32 one."""
    store, other = tmp_path / "store", tmp_path / "other"
    folder = publish_image_model(store, "paint", MeanColorClassifier(sharpness=10))
    vague = publish_image_model(other, "paint", MeanColorClassifier(sharpness=9.9))
    publish_int8_variant(folder, vague / "model.onnx", "model")
    return store


async def _requested(
    store: Path, query: str = "", precision: str = "auto"
) -> tuple[Precision, float]:
    async with running_app(store, precision=precision) as client:
        response = await client.post(f"/v1/classify{query}", content=RED)
        assert response.status_code == 200, response.text
        body = response.json()
        return body["precision"], body["results"][0]["predictions"][0]["probability"]


async def test_default_precision_of_the_manifest_is_used(twofold: Path) -> None:
    precision, vague = await _requested(twofold)
    assert precision == "int8"
    precision, sure = await _requested(twofold, "?precision=fp32")
    assert precision == "fp32"
    assert sure > vague


async def test_request_overrides_the_precision_of_the_operator(twofold: Path) -> None:
    assert (await _requested(twofold, precision="fp32"))[0] == "fp32"
    assert (await _requested(twofold, "?precision=int8", precision="fp32"))[0] == "int8"


async def test_missing_precision_is_rejected_with_those_available(
    tmp_path: Path,
) -> None:
    publish_image_model(tmp_path, "paint", MeanColorClassifier())
    async with running_app(tmp_path, precision="int8") as client:  # where there is one
        plain = await client.post("/v1/classify", content=RED)
        assert "precision" not in plain.json()
        response = await client.post("/v1/classify?precision=int8", content=RED)
    assert response.status_code == 422
    assert response.json()["detail"] == "precision is int8; paint 1 has fp32"
    assert response.json()["accepted"] == ["fp32"]


async def test_variant_that_fails_its_golden_cases_is_not_served(
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
