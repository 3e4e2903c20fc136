from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.config.recipe import Recipe, load_recipe
from training.datasets.image_patches import PatchSplit
from training.engine.trainer import prepare
from training.errors import RecipeError
from training.tasks.photo_compression import PhotoCompression

SMALL = (
    "network.chroma=4",
    "network.groups=[8, 16]",
    "network.hidden=8",
    "network.prior_hidden=8",
    "network.features=4",
    "network.side=4",
    "network.qualities=3",
    "data.crop=64",
    "data.crops_per_epoch=8",
    "batch_size=4",
    "epochs=1",
)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    y, x = np.mgrid[:80, :90]
    for index in range(3):
        pixels = 128 + 100 * np.sin(y[..., None] / 9 + x[..., None] / 7 + index + np.arange(3))
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{index}.png")
    return load_recipe("codec-photo", (*SMALL, f"data.paths=[{tmp_path}]"))


def test_it_learns_and_counts_bits_and_errors(recipe: Recipe) -> None:
    _, task = prepare(recipe, accelerator="cpu")
    assert isinstance(task, PhotoCompression)
    assert task.lambdas_Q.tolist() == pytest.approx([0.0013, 0.016125, 0.2], rel=1e-3)
    before = [parameter.clone() for parameter in task.codec_to_publish().parameters()]
    for batch in task.batches(0):
        scores = task.step(batch)
        assert all(np.isfinite(score.item()) for score in scores.values())
    changed = [
        (a != b).any() for a, b in zip(before, task.codec_to_publish().parameters(), strict=True)
    ]
    assert sum(map(bool, changed)) > len(changed) / 2


def test_a_better_quality_costs_more_and_comes_nearer_even_before_training(recipe: Recipe) -> None:
    _, task = prepare(recipe, accelerator="cpu")
    assert isinstance(task, PhotoCompression)
    small = PatchSplit((task.data.test.images[0][:, :64, :64],))
    object.__setattr__(task.data, "test", small)
    scores = task.evaluate("test")
    rates = [scores[f"bpp/{quality}"] for quality in (1, 2, 3)]
    ratios = [scores[f"psnr_db/{quality}"] for quality in (1, 2, 3)]
    assert rates == sorted(rates)
    assert ratios == sorted(ratios)
    assert scores == task.evaluate("test")


def test_other_data_or_networks_are_rejected_before_anything_is_read() -> None:
    with pytest.raises(RecipeError, match="belong together"):
        load_recipe("codec-photo", ["data={kind: mnist}"])
    with pytest.raises(RecipeError, match="belong together"):
        load_recipe("codec-photo", ["network={kind: conv-autoencoder}"])
