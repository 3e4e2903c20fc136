"""`deepshelf models verify` rejects what the service rejects when it loads a version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models_store.cli import app
from service.runtime.registry import Registry
from tests.command_line import exit_code
from tests.fakes.factorized_codec import FakeFactorizedCodec, publish_factorized_codec
from tests.fakes.hyperprior_codec import publish_hyperprior_codec
from tests.fakes.image_models import MeanColorClassifier, publish_image_model
from tests.fakes.text_model import publish_text_model_with_int8
from tests.models_store.tampering import edit_manifest, replace_file

Tamper = Callable[[dict[str, Any]], object]


def _classifier(store: Path) -> Path:
    return publish_image_model(store, "model", MeanColorClassifier())


def _codec(store: Path) -> Path:
    return publish_factorized_codec(store, "model", FakeFactorizedCodec(mode="RGB"))


def _photo_codec(store: Path) -> Path:
    return publish_hyperprior_codec(store, "model")


def _text_model(store: Path) -> Path:
    publish_text_model_with_int8(store, "model", store.parent / "scratch")
    return store / "model" / "1"


def _tamper(publish: Callable[[Path], Path], edit: Tamper) -> Callable[[Path], None]:
    return lambda store: edit_manifest(publish(store), edit)


def _first_input(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["files"][0]["inputs"][0]
    return spec


def _drop_a_table(store: Path) -> None:
    folder = _codec(store)
    tables = json.loads((folder / "tables.json").read_text())
    del tables["tables"][0]
    replace_file(folder, "tables.json", json.dumps(tables).encode())


def _drop_a_quality(store: Path) -> None:
    folder = _photo_codec(store)
    tables = json.loads((folder / "tables.json").read_text())
    del tables["side_levels"][0], tables["side_means"][0]
    replace_file(folder, "tables.json", json.dumps(tables).encode())


def _damage_a_table(store: Path) -> None:
    replace_file(_codec(store), "tables.json", b'{"tables": [{"lowest": "a"}]}')


@pytest.mark.parametrize(
    ("publish_rejected", "message"),
    [
        (
            _tamper(_classifier, lambda m: m["task"].update(labels=["red", "green"])),
            "probabilities is float32 ['batch', 3]; its task requires float32 ['B', 2]",
        ),
        (
            _tamper(_classifier, lambda m: m["task"]["image"].update(height=9)),
            "images is uint8 ['batch', 8, 8, 3]; its task requires uint8 ['B', 9, 8, 3]",
        ),
        (
            _tamper(_classifier, lambda m: m["files"][0]["outputs"][0].update(name="logits")),
            "model.onnx has no probabilities, which its task requires",
        ),
        (
            _tamper(
                _classifier, lambda m: m["files"][0]["inputs"][0].update(shape=["n", 8, "w", 3])
            ),
            "model.onnx has inputs images uint8[?, 8, 8, 3], the manifest states",
        ),
        (
            _tamper(_text_model, lambda m: m["task"]["states"][0].update(width=2)),
            "its task requires float32 [1, 'B', 2]",
        ),
        (
            _tamper(_text_model, lambda m: m["variants"][0].update(rtol=0, atol=0)),
            "of step-int8.onnx: deviates by",
        ),
        (_drop_a_table, "tables.json has 2 tables for 3 latent dimensions"),
        (_drop_a_quality, "tables.json has 2 qualities, the task has 3"),
        (_damage_a_table, "tables.json: "),
    ],
)
def test_verify_reports_what_the_service_would_reject(
    publish_rejected: Callable[[Path], None],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = tmp_path / "store"
    publish_rejected(store)
    registry = Registry(store)
    registry.refresh()
    (version,) = registry.catalog.versions.values()
    assert version.state == "failed"
    assert message in str(version.reason)
    assert exit_code(app, "--store", str(store), "verify") == 1
    assert f"FAILED: {version.reason}\n" in capsys.readouterr().out


@pytest.mark.parametrize("publish", [_classifier, _codec, _photo_codec, _text_model])
def test_verify_accepts_what_the_service_loads(
    publish: Callable[[Path], Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    publish(store)
    registry = Registry(store)
    registry.refresh()
    assert registry.catalog.count("ready") == 1
    assert exit_code(app, "--store", str(store), "verify") == 0
