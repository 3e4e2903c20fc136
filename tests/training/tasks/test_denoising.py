import pytest
import torch
from torch import Tensor, nn

from tests.training.tiny import DENOISING, recipe
from training.engine.trainer import prepare
from training.errors import RecipeError
from training.tasks.denoising import Denoising


@pytest.fixture(scope="module")
def task() -> Denoising:
    task = prepare(recipe(**DENOISING), accelerator="cpu")[1]
    assert isinstance(task, Denoising)
    return task


class _Gray(nn.Module):
    def forward(self, noisy_BCHW: Tensor) -> Tensor:
        return torch.full_like(noisy_BCHW, 0.5)


def test_doing_nothing_gains_nothing(task: Denoising) -> None:
    scores = task.measure(nn.Identity(), task.split("test"))
    for noise in ("course", "strong"):
        assert scores[f"psnr_db/{noise}"] == scores[f"psnr_db_in/{noise}"]
    assert scores["psnr_db_in/strong"] > scores["psnr_db_in/course"] > 0


def test_the_score_is_the_mean_over_the_noises(task: Denoising) -> None:
    scores = task.measure(nn.Identity(), task.split("test"))
    expected = (scores["psnr_db/course"] + scores["psnr_db/strong"]) / 2
    assert scores["psnr_db"] == pytest.approx(expected)


def test_loss_compares_the_estimate_with_the_clean_image(task: Denoising) -> None:
    clean = task.split("test").images_NCHW.double() / 255
    errors = (clean - 128 / 255).square().mean((1, 2, 3))  # grey as a byte
    expected = (-10 * errors.log10()).mean().item()
    scores = task.measure(_Gray(), task.split("test"))
    assert scores["psnr_db/course"] == pytest.approx(expected, abs=1e-3)
    assert scores["psnr_db/strong"] == pytest.approx(expected, abs=1e-3)


def test_every_call_measures_the_same_noisy_images(task: Denoising) -> None:
    first = task.measure(nn.Identity(), task.split("test"))
    torch.manual_seed(99)
    assert task.measure(nn.Identity(), task.split("test")) == first


def test_the_psnr_objective_weighs_all_images_alike() -> None:
    losses, reported = {}, {}
    for objective in ("mse", "psnr"):
        overrides = {**DENOISING["task"], "objective": objective}
        task = prepare(recipe(network=DENOISING["network"], task=overrides), accelerator="cpu")[1]
        torch.manual_seed(0)
        assert isinstance(task, Denoising)
        task.network = nn.Identity()
        scores = task.loss(next(iter(task.batches(0))))
        losses[objective], reported[objective] = scores["loss"], scores["psnr_db"]
    assert losses["psnr"] == -reported["psnr"]
    assert reported["mse"] == reported["psnr"]
    # Images of unequal errors: the logarithm of their mean is above the mean of their logarithms.
    assert -10 * losses["mse"].log10() < reported["mse"]


def test_noises_are_drawn_by_their_weights() -> None:
    clean, common = {"name": "clean", "label": "clean", "std": 0}, {"name": "n", "label": "n"}
    noises = [clean, {**common, "std": 0.5, "weight": 1e-9}]
    task = prepare(
        recipe(network=DENOISING["network"], task={"kind": "denoising", "noises": noises}),
        accelerator="cpu",
    )[1]
    assert isinstance(task, Denoising)
    task.network = nn.Identity()
    assert task.loss(next(iter(task.batches(0))))["loss"] == 0


def test_training_makes_noisy_images_cleaner() -> None:
    network = {"kind": "denoiser", "widths": [8, 16]}
    optimizer = {"kind": "adam", "lr": 0.01}
    task = prepare(
        recipe(
            network=network,
            task=DENOISING["task"],
            optimizer=optimizer,
            schedule={"kind": "constant"},
        ),
        accelerator="cpu",
    )[1]
    for epoch in range(20):
        for batch in task.batches(epoch):
            task.step(batch)
    scores = task.evaluate("test")
    # The course's grey is easily taken away; 64 pixels say little through strong noise.
    assert scores["psnr_db/course"] > scores["psnr_db_in/course"] + 5
    assert scores["psnr_db/strong"] > scores["psnr_db_in/strong"] + 1


def test_images_that_the_network_cannot_halve_are_rejected() -> None:
    network = {"kind": "denoiser", "widths": [4, 4, 4, 4, 4]}
    with pytest.raises(RecipeError, match=r"are \(8, 8\), but .* multiples of 16"):
        prepare(recipe(network=network, task=DENOISING["task"]), accelerator="cpu")


def test_other_channels_than_the_images_are_rejected() -> None:
    network = {"kind": "denoiser", "widths": [4, 4], "channels": 3}
    with pytest.raises(RecipeError, match=r"takes images of 3 channels, but .* has 1"):
        prepare(recipe(network=network, task=DENOISING["task"]), accelerator="cpu")


def test_some_noise_is_needed() -> None:
    with pytest.raises(ValueError, match="noises"):
        recipe(network=DENOISING["network"], task={"kind": "denoising", "noises": []})
