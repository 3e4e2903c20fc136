from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor, nn

from models_store.tasks import Denoising
from models_store.verify import read_manifest
from tests.training.tiny import content
from training.config.recipe import Recipe
from training.datasets.noise import add_gaussian_noise, is_grey, to_grey
from training.engine.trainer import fit, prepare
from training.errors import RecipeError
from training.publish.publisher import publish_run
from training.tasks import PhotoDenoising
from training.tasks.photo_denoising import denoise_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of a photograph, one of them grey."""
    root = tmp_path_factory.mktemp("photos")
    for index, (top, left, height, width) in enumerate(
        ((100, 100, 48, 64), (200, 300, 64, 40), (250, 60, 50, 50), (60, 400, 45, 33))
    ):
        picture = load_sample_image("china.jpg")[top : top + height, left : left + width]
        image = Image.fromarray(picture)
        (image.convert("L") if index == 3 else image).save(root / f"{index}.png")
    return root


def _recipe(folder: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(
        content(
            {
                "data": {
                    "kind": "album",
                    "paths": [folder],
                    "test_paths": [folder],
                    "patch": 32,
                    "patches_per_picture": 8,
                },
                "network": {"kind": "photo-denoiser", "widths": [8, 8], "blocks": [1, 1]},
                "task": {"kind": "photo-denoising"},
                "optimizer": {"kind": "adam", "lr": 0.002},
                "epochs": 2,
                "batch_size": 8,
                "clip_norm": 1.0,
                **changes,
            }
        )
    )


@pytest.fixture(scope="module")
def task(folder: Path) -> PhotoDenoising:
    task = prepare(_recipe(folder), accelerator="cpu")[1]
    assert isinstance(task, PhotoDenoising)
    return task


def test_doing_nothing_gains_nothing_and_harms_nothing(task: PhotoDenoising) -> None:
    scores = task.measure(nn.Identity(), task.split("test"))
    assert scores["psnr_db/clean"] == 100
    # -20 log10(sigma / 255), for noise that is not clipped; rounding to 8 bits clips it after all.
    assert scores["psnr_db_in/sigma-15"] == pytest.approx(24.61, abs=0.1)
    assert scores["psnr_db_in/sigma-50"] == pytest.approx(14.15, abs=0.1)
    assert 0 <= scores["psnr_db/sigma-50"] - scores["psnr_db_in/sigma-50"] < 2


def test_an_untrained_network_does_nothing(task: PhotoDenoising) -> None:
    assert task.evaluate("test") == task.measure(nn.Identity(), task.split("test"))


def test_every_call_measures_the_same_noisy_pictures(task: PhotoDenoising) -> None:
    first = task.measure(nn.Identity(), task.split("test"))
    torch.manual_seed(99)
    assert task.measure(nn.Identity(), task.split("test")) == first


class _Tinted(nn.Module):
    def forward(self, noisy_BCHW: Tensor) -> Tensor:
        return noisy_BCHW + torch.tensor([0.1, -0.1, 0.3]).view(1, 3, 1, 1)


def test_grey_has_equal_noise_in_its_channels_and_comes_back_grey() -> None:
    colour = torch.rand(1, 3, 9, 7)
    grey = to_grey(colour)
    assert not is_grey(colour)
    assert is_grey(grey)
    assert is_grey(add_gaussian_noise(grey, 25, Generator()))
    assert not is_grey(add_gaussian_noise(colour, 25, Generator()))
    back = denoise_image(_Tinted(), grey * 0.5, 8)
    assert is_grey(back)
    torch.testing.assert_close(back, grey * 0.5 + 0.1, atol=1 / 255, rtol=0)


def test_grey_is_made_as_pillow_makes_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"), np.int64)
    ours = to_grey(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    assert np.abs((ours[0, 0] * 255).round().numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.patch": 30}, r"data\.patch is 30, but .* multiples of 4"),
        ({"network.channels": 1}, "network.channels to 3"),
    ],
)
def test_what_does_not_fit_together_is_said(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    recipe = _recipe(folder).model_dump()
    for path, value in changes.items():
        group, field = path.split(".")
        recipe[group][field] = value
    with pytest.raises(RecipeError, match=message):
        prepare(Recipe.model_validate(recipe), accelerator="cpu")


def test_deviations_must_ascend(folder: Path) -> None:
    with pytest.raises(ValueError, match="must be"):
        _recipe(folder, task={"kind": "photo-denoising", "sigma": [20, 10]})


def test_it_learns_and_is_published_with_what_it_was_measured_on(
    folder: Path, tmp_path: Path
) -> None:
    recipe = _recipe(
        folder, epochs=12, schedule={"kind": "constant"}, task={
            "kind": "photo-denoising", "sigma": [20, 55], "clean_share": 0,
        },
    )  # fmt: skip
    fit(recipe, tmp_path / "run", show_progress=False)
    published = publish_run(recipe, tmp_path / "run", tmp_path / "store")
    manifest = read_manifest(published)
    assert isinstance(manifest.task, Denoising)
    image = manifest.task.image
    # Reach 4 + 4 × 2 + 2 × 4 + 3 = 23, twice, rounded up to a multiple of 4.
    assert (image.mode, image.multiple_of, image.overlap) == ("RGB", 4, 48)
    figures = {metric.name: metric for metric in manifest.metrics}
    for name in ("sigma-25", "stored-25", "sigma-50", "stored-50"):
        assert figures[f"psnr/{name}"].value > figures[f"psnr_in/{name}"].value + 0.3
    assert figures["psnr/sigma-25"].n == 4
    assert 0 < figures["ssim/clean"].value <= 1
    assert (published / "preview.png").stat().st_size > 1000
