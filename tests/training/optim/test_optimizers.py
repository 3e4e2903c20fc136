from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from training.optim.muon import Muon, orthogonalize
from training.optim.optimizers import Optimizer, parameter_groups

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Optimizer)

KINDS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
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
def test_each_kind_builds_its_optimizer(kind: str) -> None:
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


def _steps(optimizer: torch.optim.Optimizer, layers: list[torch.Tensor], count: int = 3) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        for layer in layers:
            layer.grad = torch.randn(layer.shape, generator=generator)
        optimizer.step()


def _stack() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), nn.Conv2d(8, 2, 1))


def test_muon_orthogonalizes_what_is_hidden_and_leaves_the_rest_to_adamw() -> None:
    ours, torchs = _stack(), _stack()
    _steps(
        _ADAPTER.validate_python({"kind": "muon", "lr": 0.01, "weight_decay": 0.1}).build(ours),
        list(ours.parameters()),
    )
    adamw = _ADAPTER.validate_python({"kind": "adamw", "lr": 0.01, "weight_decay": 0.1})
    _steps(adamw.build(torchs), list(torchs.parameters()))
    same = [
        torch.allclose(our, their, atol=1e-6)
        for our, their in zip(ours.parameters(), torchs.parameters(), strict=True)
    ]
    assert same == [True, True, False, True, True, True]


def test_fixed_norms_stay_and_the_rate_is_the_share_that_a_kernel_turns_by() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.Flatten(), nn.Linear(6, 2))
    kernel = network[0].weight
    assert isinstance(kernel, nn.Parameter)
    settings = {"kind": "muon", "lr": 0.1, "adamw_lr": 0.02, "momentum": 0, "fixed_norm": True}
    optimizer = _ADAPTER.validate_python(settings).build(network)
    kernel.grad = torch.randn_like(kernel)
    direction = kernel.detach() * (6**0.5 / kernel.detach().norm())
    bias = network[2].bias
    assert isinstance(bias, nn.Parameter)
    bias.grad, before = torch.ones(2), bias.detach().clone()
    optimizer.step()
    step = orthogonalize(kernel.grad.flatten(1)).view_as(kernel)
    torch.testing.assert_close(kernel.detach(), direction - 0.1 * step)
    torch.testing.assert_close(bias.detach(), before - 0.02)  # the first step of Adam is the rate


def test_muon_takes_torchs_steps() -> None:
    torch.manual_seed(0)
    ours, torchs = nn.Parameter(torch.randn(8, 54)), nn.Parameter(torch.zeros(8, 54))
    torchs.data.copy_(ours)
    before = ours.detach().clone()
    _steps(Muon([{"params": [ours], "hidden": True, "weight_decay": 0.1}], lr=0.01), [ours])
    peer = torch.optim.Muon([torchs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    _steps(peer, [torchs])
    moved = (torchs - before).norm()
    assert (ours - torchs).norm() < 0.02 * moved  # theirs computes in bfloat16


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (7, 7)])
def test_orthogonalized_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.mT @ orthogonalize(matrix) @ vt.mT
    assert inner.diagonal().min() > 0.6
    assert inner.diagonal().max() < 1.3
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-4


@pytest.mark.parametrize(
    "settings", [{"lr": 0}, {"lr": -1}, {"momentum": 1}, {"weight_decay": -0.1}, {"betas": [1, 1]}]
)
def test_impossible_settings_are_rejected(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        _ADAPTER.validate_python({"kind": "sgd", "lr": 0.1, **settings})
