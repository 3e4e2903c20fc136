"""Behaviour shared by image tasks: the step, the EMA, the memory layout."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.tiny import DENOISING, recipe
from training.engine.trainer import prepare
from training.tasks.single_network import ImageTask

_PLAIN: dict[str, Any] = {
    "optimizer": {"kind": "sgd", "lr": 0.5},
    "schedule": {"kind": "constant"},
}


def _task(**changes: Any) -> ImageTask:
    task = prepare(recipe(**changes), accelerator="cpu")[1]
    assert isinstance(task, ImageTask)
    return task


def _flat(weights: dict[str, Tensor]) -> Tensor:
    return torch.cat([weight.flatten() for weight in weights.values()])


def _weights(task: ImageTask) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in task.network.module.named_parameters()}


def test_a_step_is_no_longer_than_the_clipped_gradient_allows() -> None:
    lengths = {}
    for clip_norm in (None, 0.01):
        task = _task(**_PLAIN, clip_norm=clip_norm)
        before = _flat(_weights(task))
        task.step(next(iter(task.batches(0))))
        lengths[clip_norm] = (_flat(_weights(task)) - before).norm().item()
    assert lengths[None] > 0.1
    assert lengths[0.01] == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_the_average_follows_the_weights_of_every_step() -> None:
    task = _task(**_PLAIN, ema_decay=0.5)
    raw = []
    for batch in list(task.batches(0))[:3]:
        task.step(batch)
        raw.append(_weights(task))
    published = dict(task.network_to_publish().named_parameters())
    for name, weight in published.items():
        # The first update copies; (1 + n) / (10 + n) is below a half for n = 1 and 2.
        expected = raw[0][name] + 9 / 11 * (raw[1][name] - raw[0][name])
        expected = expected + 9 / 12 * (raw[2][name] - expected)
        torch.testing.assert_close(weight.detach(), expected)
        assert not torch.equal(weight, raw[2][name])


def test_without_an_average_the_network_itself_is_published() -> None:
    task = _task()
    assert task.network_to_publish() is task.network.module


def test_evaluating_leaves_no_trace_in_training() -> None:
    weights = []
    for evaluated in (False, True):
        task = _task(ema_decay=0.5)
        for batch in task.batches(0):
            torch.manual_seed(0)
            task.step(batch)
            if evaluated:
                task.evaluate("validation")
        weights.append(task.network.module.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_evaluation_uses_running_statistics() -> None:
    task = _task()
    task.network.module.get_buffer("bn1.running_mean").fill_(float("nan"))
    assert task.evaluate("test")["nll"] != task.evaluate("test")["nll"]  # NaN alone differs so


@pytest.mark.parametrize("changes", [{}, DENOISING])
def test_pixels_are_bytes_over_255_in_the_memory_format_of_the_recipe(
    changes: dict[str, Any],
) -> None:
    images = torch.randint(256, (4, 3, 6, 6), dtype=torch.uint8)
    for channels_last in (False, True):
        prepared = _task(**changes, channels_last=channels_last).to_floats(images)
        assert torch.equal(prepared, images / 255)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert prepared.is_contiguous(memory_format=layout)


def test_weights_are_channels_last_if_the_recipe_sets_it() -> None:
    weight = _task(channels_last=True).network.module.get_parameter("layer1.0.conv1.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_rate_moves_with_every_step() -> None:
    task = _task(schedule={"kind": "cosine"})
    rates = [task.learning_rate()]
    for batch in task.batches(0):
        task.step(batch)
        rates.append(task.learning_rate())
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 5
