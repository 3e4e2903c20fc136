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
from training.datasets.noise import add_gaussian_noise, is_gray, to_gray
from training.datasets.photo_folders import ImagePairs
from training.engine.trainer import fit, prepare
from training.errors import DataError, RecipeError
from training.metrics.rate_distortion import psnr_db
from training.publish.publisher import publish_run
from training.tasks.photo_denoising import PhotoDenoising, denoise_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return parts of a photograph, one of them grey."""
    root = tmp_path_factory.mktemp("photos")
    for index, (top, left, height, width) in enumerate(
        ((100, 100, 48, 64), (200, 300, 64, 40), (250, 60, 50, 50), (60, 400, 45, 33))
    ):
        pixels = load_sample_image("china.jpg")[top : top + height, left : left + width]
        image = Image.fromarray(pixels)
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
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("pairs")
    clean = np.full((20, 24, 3), 100, np.uint8)
    for name, offset in (("chair", 10), ("plug", 1)):
        Image.fromarray(clean).save(root / f"{name}_mean.png")
        Image.fromarray(clean + np.uint8(offset)).save(root / f"{name}_real.png")
    return {"path": root, "noisy": "_real.png", "clean": "_mean.png", "title": "Two flat pairs"}


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


def test_every_call_measures_the_same_noisy_images(task: PhotoDenoising) -> None:
    first = task.measure(nn.Identity(), task.split("test"))
    torch.manual_seed(99)
    assert task.measure(nn.Identity(), task.split("test")) == first


class _Tinted(nn.Module):
    def forward(self, noisy_BCHW: Tensor) -> Tensor:
        return noisy_BCHW + torch.tensor([0.1, -0.1, 0.3]).view(1, 3, 1, 1)


def test_grey_has_equal_noise_in_its_channels_and_comes_back_grey() -> None:
    color = torch.rand(1, 3, 9, 7)
    gray = to_gray(color)
    assert not is_gray(color)
    assert is_gray(gray)
    assert is_gray(add_gaussian_noise(gray, 25, Generator()))
    assert not is_gray(add_gaussian_noise(color, 25, Generator()))
    back = denoise_image(_Tinted(), gray * 0.5, 8)
    assert is_gray(back)
    torch.testing.assert_close(back, gray * 0.5 + 0.1, atol=1 / 255, rtol=0)


def test_grey_is_made_as_pillow_makes_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"), np.int64)
    ours = to_gray(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    assert np.abs((ours[0, 0] * 255).round().numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.patch": 30}, r"data\.patch is 30, but .* multiples of 4"),
        ({"network.channels": 1}, "network.channels to 3"),
    ],
)
def test_incompatible_settings_are_rejected(
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
    folder: Path, pairs: dict[str, Any], tmp_path: Path
) -> None:
    recipe = _recipe(
        folder, epochs=12, schedule={"kind": "constant"}, task={
            "kind": "photo-denoising", "sigma": [20, 55], "clean_share": 0, "pairs": pairs,
            "noise": {"kind": "camera", "share": 0.1},
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
    real = figures["psnr_in/real"]
    assert (real.dataset, real.n) == ("Two flat pairs", 2)
    assert real.value == pytest.approx(38.13, abs=0.01)
    assert "psnr/real" in figures
    assert "psnr_in/clean" not in figures
    assert "camera's noise" in (manifest.task.noise or "")
    assert 0 < figures["ssim/clean"].value <= 1
    assert (published / "preview.png").stat().st_size > 1000


def _with_camera(folder: Path, **noise: Any) -> PhotoDenoising:
    config = {
        "kind": "photo-denoising",
        "grey_share": 0,
        "noise": {"kind": "camera", **noise},
    }
    task = prepare(_recipe(folder, task=config), accelerator="cpu")[1]
    assert isinstance(task, PhotoDenoising)
    return task


def test_a_share_of_the_patches_goes_through_a_camera(folder: Path) -> None:
    torch.manual_seed(0)
    flat = torch.full((64, 3, 32, 32), 0.5)
    noisy, truth = _with_camera(folder, share=0.5, jpeg_share=0).add_noise(flat)
    developed = (truth != flat).flatten(1).any(1)  # the way to the sensor and back rounds
    assert 20 <= developed.sum() <= 44
    assert torch.equal(truth[~developed], flat[~developed])
    torch.testing.assert_close(truth, flat, atol=2e-3, rtol=0)
    stored = noisy[developed] * 255
    torch.testing.assert_close(stored, stored.round(), atol=1e-4, rtol=0)
    assert torch.isfinite(noisy).all()


def test_a_share_of_the_patches_is_jpeg_alone(folder: Path) -> None:
    torch.manual_seed(0)
    image = torch.from_numpy(load_sample_image("china.jpg")[100:132, 200:232].copy())
    batch = image.permute(2, 0, 1).float().expand(8, 3, 32, 32) / 255
    noisy, truth = _with_camera(folder, share=0, jpeg_share=1).add_noise(batch)
    assert torch.equal(truth, batch)
    levels = {float(psnr_db(a[None], b[None])) for a, b in zip(noisy, truth, strict=True)}
    assert len(levels) > 1  # the qualities differ
    assert 25 < min(levels) < max(levels) < 50


def test_a_share_of_the_synthetic_patches_has_no_noise_of_any_kind(folder: Path) -> None:
    config = {
        "kind": "photo-denoising", "sigma": [20, 55], "clean_share": 0, "grey_share": 1,
        "noise": {"kind": "camera", "share": 0.5}, "synthetic": {"share": 1, "clean_share": 0.5},
    }  # fmt: skip
    task = prepare(_recipe(folder, task=config), accelerator="cpu")[1]
    assert isinstance(task, PhotoDenoising)
    torch.manual_seed(0)
    batch = torch.rand(64, 3, 32, 32)
    noisy, target = task.add_noise(batch)
    left = (noisy == target).flatten(1).all(1)
    assert 20 <= left.sum() <= 44
    assert any(not is_gray(image[None]) for image in target[left])  # not turned grey either


def test_a_camera_s_seeded_shots_are_measured_too(folder: Path) -> None:
    task = _with_camera(folder)
    first = task.measure(nn.Identity(), task.split("test"))
    torch.manual_seed(7)
    assert task.measure(nn.Identity(), task.split("test")) == first
    assert 15 < first["psnr_db_in/camera"] == first["psnr_db/camera"] < 50


def test_real_pairs_are_measured_with_the_test_set_alone(
    folder: Path, pairs: dict[str, Any]
) -> None:
    config = {"kind": "photo-denoising", "pairs": pairs}
    task = prepare(_recipe(folder, task=config), accelerator="cpu")[1]
    # 20 log10(255 / 10) and 20 log10(255 / 1), whose mean it is.
    expected = (28.13 + 48.13) / 2
    assert task.evaluate("test")["psnr_db_in/pairs"] == pytest.approx(expected, abs=0.01)
    assert "psnr_db/pairs" not in task.evaluate("train")


def test_a_pair_that_is_not_whole_is_named(pairs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no file \*_real\.png"):
        ImagePairs(**{**pairs, "path": tmp_path}).load()
    Image.new("RGB", (8, 8)).save(tmp_path / "a_real.png")
    with pytest.raises(DataError, match=r"no a_mean\.png"):
        ImagePairs(**{**pairs, "path": tmp_path}).load()
    Image.new("RGB", (8, 9)).save(tmp_path / "a_mean.png")
    with pytest.raises(DataError, match="differ in size"):
        ImagePairs(**{**pairs, "path": tmp_path}).load()
