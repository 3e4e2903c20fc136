import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import mobilenet_v2

from tests.training.tiny import ADVERSARIAL, PROJECTED, recipe
from training.engine.trainer import fit, prepare
from training.errors import RecipeError
from training.tasks.adversarial import Adversarial


def _task(**changes: Any) -> Adversarial:
    task = {**ADVERSARIAL["task"], **changes}
    _, built = prepare(recipe(**{**ADVERSARIAL, "task": task}))
    assert isinstance(built, Adversarial)
    return built


def _weights(task: Adversarial) -> dict[str, torch.Tensor]:
    networks = {"generator": task.generator, "discriminator": task.discriminator}
    return {
        f"{side}.{name}": parameter.detach().clone()
        for side, network in networks.items()
        for name, parameter in network.named_parameters()
    }


def _moved(before: dict[str, torch.Tensor], task: Adversarial) -> set[str]:
    after = _weights(task)
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def _projected() -> Adversarial:
    _, task = prepare(recipe(**PROJECTED))
    assert isinstance(task, Adversarial)
    return task


@pytest.mark.parametrize("build", [_task, _projected])
def test_each_side_learns_in_its_own_step_and_leaves_the_other_alone(
    build: Callable[[], Adversarial],
) -> None:
    task = build()
    real = task._project(task.to_floats(next(iter(task.batches(0)))[0]))
    drawn = task._project(task.generator(torch.randn(len(real[0]), 4)))
    before = _weights(task)
    task._step_discriminator(real, tuple(each.detach() for each in drawn))
    assert _moved(before, task) == {"discriminator"}
    before = _weights(task)
    task._step_generator(drawn)
    assert _moved(before, task) == {"generator"}


@pytest.mark.parametrize(
    ("loss", "apart", "passing"),
    [
        # softplus(-1) + softplus(-2); softplus(2)
        ("non-saturating", math.log1p(math.exp(-1)) + math.log1p(math.exp(-2)), 2.126928),
        # real at 1 is beyond doubt, and so is a drawn one at -2
        ("hinge", 0.0, 2.0),
    ],
)
def test_the_losses_are_those_of_the_papers(loss: str, apart: float, passing: float) -> None:
    task = _task(loss=loss)
    real, drawn = torch.tensor([1.0]), torch.tensor([-2.0])
    assert float(task._discriminator_loss(real, drawn)) == pytest.approx(apart, abs=1e-6)
    assert float(task._generator_loss(drawn)) == pytest.approx(passing, abs=1e-6)


def test_epoch_has_the_configured_length_and_its_own_images() -> None:
    task = _task()
    first, again, second = (list(task.batches(epoch)) for epoch in (0, 0, 1))
    assert task.steps_per_epoch == len(first) == 2
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], second[0][0])
    assert _task(pictures_per_epoch=None).steps_per_epoch == 4


def test_a_run_leaves_a_grid_of_images_after_every_epoch(tmp_path: Path) -> None:
    fitted = fit(recipe(**ADVERSARIAL), tmp_path, show_progress=False)
    grids = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in grids] == ["0001.png", "0002.png"]
    with Image.open(grids[-1]) as grid:
        assert grid.size == (2 * (8 * 9 + 1), 2 * (8 * 9 + 1))
    assert fitted.log[-1].keys() >= {
        "train_loss", "train_discriminator_loss", "validation_overfitting",
    }  # fmt: skip


@pytest.mark.parametrize("changes", [ADVERSARIAL, PROJECTED])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(recipe(**changes), tmp_path / "whole", show_progress=False).task
    step = Adversarial.step
    steps = iter([True] * 2)  # one epoch

    def until(self: Adversarial, batch: Any) -> dict[str, torch.Tensor]:
        if not next(steps, False):
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(Adversarial, "step", until)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe(**changes), tmp_path / "cut", show_progress=False)
    monkeypatch.undo()
    resumed = fit(recipe(**changes), tmp_path / "cut", resume=True, show_progress=False).task
    assert isinstance(whole, Adversarial)
    assert isinstance(resumed, Adversarial)
    assert _moved(_weights(whole), resumed) == set()
    assert torch.equal(whole.generate_images(5, seed=1), resumed.generate_images(5, seed=1))


def test_projected_discriminator_uses_pretrained_features(
    data_home: Path,
) -> None:
    torch.manual_seed(7)
    weights = mobilenet_v2().state_dict()
    torch.save(weights, data_home / "weights.pth")
    network = deepcopy(PROJECTED["network"])
    network["discriminator"] |= {"weights": "imagenet", "weights_path": "weights.pth"}
    _, task = prepare(recipe(**{**PROJECTED, "network": network}))
    assert isinstance(task, Adversarial)
    # The second convolution is followed by a batch norm that, untrained, changes next to nothing.
    stage = task.discriminator.module.projection.stages[0]
    folded = dict(stage.named_buffers())["1.conv.0.0.weight"]
    torch.testing.assert_close(folded, weights["features.1.conv.0.0.weight"], rtol=1e-4, atol=0)


def test_drawing_is_a_function_of_the_seed_and_leaves_training_alone() -> None:
    task = _task()
    state = torch.get_rng_state()
    assert torch.equal(task.generate_images(3, seed=1), task.generate_images(3, seed=1))
    assert not torch.equal(task.generate_images(3, seed=1), task.generate_images(3, seed=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert task.generate_images(3, seed=1).dtype == torch.uint8


def test_overfitted_discriminator_shows_in_the_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = _task()
    known = {image.tobytes() for image in np.asarray(task.data.train.images_NCHW)}

    def by_heart(images_NCHW: torch.Tensor) -> torch.Tensor:
        return torch.tensor(
            [1.0 if i.tobytes() in known else -1.0 for i in np.asarray(images_NCHW)]
        )

    monkeypatch.setattr(task, "discriminator_logits", by_heart)
    assert task.evaluate("test")["overfitting"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"generator": [8, 8], "discriminator": [8, 8]}, r"\(1, 16, 16\).*\(1, 8, 8\)"),
        ({"channels": 3}, r"\(3, 8, 8\).*network\.channels"),
    ],
)
def test_images_of_another_shape_are_rejected(network: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare(recipe(**{**ADVERSARIAL, "network": {**ADVERSARIAL["network"], **network}}))


def test_a_network_of_one_side_is_rejected() -> None:
    network = {"kind": "denoiser", "channels": 1, "widths": [4, 8]}
    with pytest.raises(RecipeError, match="needs the network gan"):
        prepare(recipe(**{**ADVERSARIAL, "network": network}))
