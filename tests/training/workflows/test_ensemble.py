"""Several runs published as one model: outputs, reported gain, rejected members."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.onnx.runtime import load_graph_fn
from models_store.verify import read_manifest
from tests.training.tiny import DENOISING
from tests.training.tiny import recipe as tiny
from training.engine.trainer import fit, prepare
from training.errors import RecipeError
from training.publish import sample_inputs
from training.publish.publisher import publish_run
from training.publish.tasks.ensemble import ensemble_export_spec
from training.tasks.classification import Classification
from training.workflows.ensemble import publish_ensemble


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Train two classifiers that differ in their seed."""
    home = tmp_path_factory.mktemp("members")
    for seed in (3, 4):
        fit(tiny(seed=seed, epochs=2), home / str(seed), show_progress=False)
    return [home / "3", home / "4"]


@pytest.fixture(scope="module")
def folder(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_ensemble(runs, "tiny-ensemble", tmp_path_factory.mktemp("store"))


def test_probabilities_are_the_mean_of_the_members(
    runs: list[Path], folder: Path, tmp_path: Path
) -> None:
    images = {"images": sample_inputs.random_bytes((4, 8, 8, 1)).numpy()}
    alone = []
    for seed, run in zip((3, 4), runs, strict=True):
        version = publish_run(tiny(seed=seed, epochs=2), run, tmp_path)
        probabilities = load_graph_fn(version / "model.onnx")(images)["probabilities"]
        alone.append(probabilities.astype(np.float64))
    together = load_graph_fn(folder / "model.onnx")(images)
    members, mean = (together[key].astype(np.float64) for key in ("members", "probabilities"))
    np.testing.assert_allclose(members, np.stack(alone, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, np.stack(alone).mean(0), rtol=1e-4, atol=1e-5)
    assert not np.allclose(alone[0], alone[1])


def test_manifest_lists_members_and_the_gain_of_the_ensemble(folder: Path) -> None:
    manifest = read_manifest(folder)
    figures = {metric.name: metric.value for metric in manifest.metrics}
    assert {"accuracy", "accuracy/mean-member", "nll/best-member-scaled"} <= set(figures)
    # The likelihood of a mean is at least the mean of likelihoods: Jensen, whatever was learnt.
    assert figures["nll"] < figures["nll/mean-member"]
    seeds = [member["seed"] for member in manifest.provenance.recipe["members"]]
    assert seeds == [3, 4]
    assert manifest.provenance.command.endswith("ensemble runs/0 runs/1 --name tiny-ensemble")
    assert manifest.provenance.epochs == 4


def test_one_network_is_no_ensemble(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two members or more, got 1"):
        publish_ensemble(runs[:1], "lonely", tmp_path)


def test_a_run_of_another_task_is_named(runs: list[Path], tmp_path: Path) -> None:
    recipe = tiny(**DENOISING, epochs=1, data={"kind": "digits"})
    fit(recipe, tmp_path / "denoiser", show_progress=False)
    with pytest.raises(RecipeError, match="denoiser trained no classifier"):
        publish_ensemble([runs[0], tmp_path / "denoiser"], "mixed", tmp_path / "store")


def test_members_of_other_test_images_are_rejected() -> None:
    one, other = (_prepared(seed) for seed in (3, 4))
    other.data = replace(other.data, test=other.data.test.subset(torch.arange(5)))
    with pytest.raises(RecipeError, match="same test images"):
        ensemble_export_spec([(one, tiny()), (other, tiny())])


def test_members_of_other_classes_are_rejected() -> None:
    one, other = (_prepared(seed) for seed in (3, 4))
    other.data = replace(other.data, labels=tuple("abcdefghij"))
    with pytest.raises(RecipeError, match=r"same classes: one of .* has 0, 1, .*; one .* a, b, c"):
        ensemble_export_spec([(one, tiny()), (other, tiny())])


def _prepared(seed: int) -> Classification:
    task = prepare(tiny(seed=seed))[1]
    assert isinstance(task, Classification)
    return task


def test_a_name_that_cannot_be_served_is_rejected(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="ensemble: name: "):
        publish_ensemble(runs, "Bad Name", tmp_path)
