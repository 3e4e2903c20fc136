"""Temperatures in published graphs: fitted on held-out images, and described in the manifest."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models_store.manifest import Manifest
from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_manifest
from tests.training.tiny import recipe as tiny
from training.config.recipe import Recipe
from training.engine.trainer import fit, prepare, restore
from training.errors import RecipeError
from training.metrics.calibration import fit_temperature
from training.publish.publisher import publish_run
from training.workflows.ensemble import publish_ensemble


def _recipe(seed: int, **changes: Any) -> Recipe:
    card = {"summary": "s", "intended_use": "u", "limits": "l", "calibrate": True}
    task = {"kind": "classification", "label_smoothing": 0.3}
    return tiny(**{"seed": seed, "epochs": 6, "publish": card, "task": task, **changes})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("calibrated")
    for seed in (3, 4):
        fit(_recipe(seed), home / str(seed), show_progress=False)
    return [home / "3", home / "4"]


def _on_held_out(folder: Path) -> tuple[Tensor, Tensor]:
    """Return the graph's log probabilities for the calibration images, and their labels."""
    split = prepare(_recipe(3))[1].split("validation")  # type: ignore[attr-defined]
    images = split.images_NCHW.permute(0, 2, 3, 1).contiguous().numpy()
    probabilities = load_graph_fn(folder / "model.onnx")({"images": images})["probabilities"]
    return torch.from_numpy(probabilities).clamp_min(1e-30).log(), split.labels_N


def _notes(manifest: Manifest) -> dict[str, str]:
    return {metric.name: metric.note for metric in manifest.metrics}


def test_no_other_temperature_suits_the_held_out_images_better(
    runs: list[Path], tmp_path: Path
) -> None:
    folder = publish_run(_recipe(3), runs[0], tmp_path / "calibrated")
    assert fit_temperature(*_on_held_out(folder)) == pytest.approx(1, abs=1e-3)
    task: Any = restore(_recipe(3), runs[0]).task
    with torch.no_grad():
        logits, labels = task.predict(task.network_to_publish().eval(), task.split("validation"))
    temperature = fit_temperature(logits, labels)
    assert abs(temperature - 1) > 0.05
    note = f"temperature {temperature:.3f}, fitted on 1,097 held-out training images"
    assert note in _notes(read_manifest(folder))["ece"]


def test_an_ensemble_has_a_temperature_of_its_own(runs: list[Path], tmp_path: Path) -> None:
    folder = publish_ensemble(runs, "tiny-ensemble", tmp_path)
    assert fit_temperature(*_on_held_out(folder)) == pytest.approx(1, abs=1e-3)
    notes = _notes(read_manifest(folder))
    assert "fitted on 1,097 held-out training images" in notes["nll"]
    assert "ece/best-member-scaled" not in notes  # the members are calibrated themselves


def test_members_that_hold_out_other_images_cannot_be_calibrated(
    runs: list[Path], tmp_path: Path
) -> None:
    other = _recipe(5, epochs=1, data={"kind": "digits", "validation_size": 1000})
    fit(other, tmp_path / "other", show_progress=False)
    with pytest.raises(RecipeError, match="hold out the same images"):
        publish_ensemble([runs[0], tmp_path / "other"], "mixed", tmp_path / "store")


def test_weights_stored_as_float16_verify(runs: list[Path], tmp_path: Path) -> None:
    card = {"summary": "s", "intended_use": "u", "limits": "l", "storage": "float16"}
    whole = publish_run(
        tiny(seed=3, epochs=6, task=_recipe(3).task.model_dump()), runs[0], tmp_path
    )
    half = publish_run(_recipe(3, publish=card), runs[0], tmp_path)
    sizes = [(folder / "model.onnx").stat().st_size for folder in (whole, half)]
    assert sizes[1] < sizes[0]
    assert read_manifest(half).golden.atol > read_manifest(whole).golden.atol
