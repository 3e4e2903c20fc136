from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from training.optimizers import Optimizer, parameter_groups

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Optimizer)

KINDS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class _One(nn.Module):
    """One weight that decays, as a 1×1 matrix, starting at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))


def _weight_after(steps: int, gradient: float, **settings: Any) -> float:
    network = _One()
    optimizer = _ADAPTER.validate_python({"lr": 0.1, **settings}).build(network)
    for _ in range(steps):
        network.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    return network.weight.item()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_builds_torchs_own(kind: str) -> None:
    optimizer = _ADAPTER.validate_python({"kind": kind, "lr": 0.01}).build(nn.Linear(2, 3))
    assert type(optimizer) is KINDS[kind]
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}


@pytest.mark.parametrize("kind", KINDS)
def test_biases_and_norms_do_not_decay(kind: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    optimizer = _ADAPTER.validate_python({"kind": kind, "lr": 0.1, "weight_decay": 0.5}).build(
        network
    )
    decay = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert {name: decay[id(p)] for name, p in network.named_parameters()} == {
        "0.weight": 0.5, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "3.weight": 0.5,
        "3.bias": 0.0,
    }  # fmt: skip


def test_frozen_parameters_are_left_out() -> None:
    network = nn.Linear(2, 3)
    network.weight.requires_grad = False
    decaying, rest = parameter_groups(network, 0.5)
    assert decaying["params"] == []
    assert rest["params"] == [network.bias]


# By hand, from weight 1 with the gradient 2 and rate 0.1.
@pytest.mark.parametrize(
    ("settings", "steps", "expected"),
    [
        ({"kind": "sgd"}, 1, 1 - 0.1 * 2),
        # velocity 2, then 0.9 × 2 + 2
        ({"kind": "sgd", "momentum": 0.9}, 2, 1 - 0.1 * (2 + 3.8)),
        # looks one momentum step ahead: 2 + 0.9 × 2, then 2 + 0.9 × 3.8
        ({"kind": "sgd", "momentum": 0.9, "nesterov": True}, 2, 1 - 0.1 * (3.8 + 5.42)),
        ({"kind": "sgd", "weight_decay": 0.5}, 1, 1 - 0.1 * (2 + 0.5)),
        # 2 / √4, then 2 / √8
        ({"kind": "adagrad"}, 2, 1 - 0.1 * (1 + 2 / 8**0.5)),
        # 2 / √(0.25 × 4)
        ({"kind": "rmsprop", "alpha": 0.75}, 1, 1 - 0.1 * 2),
        # Bias-corrected, a constant gradient always gives a step of the rate.
        ({"kind": "adam"}, 3, 1 - 3 * 0.1),
        # Decay multiplies the weight first and leaves the step alone.
        ({"kind": "adamw", "weight_decay": 0.5}, 1, 1 * (1 - 0.1 * 0.5) - 0.1),
        # As a penalty it joins the gradient, whose size Adam then divides away.
        ({"kind": "adam", "weight_decay": 0.5}, 1, 1 - 0.1),
    ],
)
def test_steps_are_those_of_the_papers(
    settings: dict[str, Any], steps: int, expected: float
) -> None:
    assert _weight_after(steps, 2.0, **settings) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "settings", [{"lr": 0}, {"lr": -1}, {"momentum": 1}, {"weight_decay": -0.1}, {"betas": [1, 1]}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        _ADAPTER.validate_python({"kind": "sgd", "lr": 0.1, **settings})
