"""The course's rules against torch's optimizers, with the translation that each rule states."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from training.course.updates import (
    Adagrad,
    Adam,
    GradientDescent,
    Momentum,
    Nesterov,
    RMSprop,
    UpdateRule,
)

Build = Callable[[list[Tensor]], torch.optim.Optimizer]

_START = torch.tensor([1.5, -0.7, 1e-6], dtype=torch.float64)
_CURVES = torch.tensor([1.0, 12.0, 1e-3], dtype=torch.float64)


def _loss(theta: Tensor) -> Tensor:
    """Return the gradient of a function that is steep in one direction and flat in another."""
    return (_CURVES * theta**2).sum() / 2 + torch.sin(3 * theta).sum() / 10


def _gradient(theta: Tensor) -> Tensor:
    return _CURVES * theta + 0.3 * torch.cos(3 * theta)


def _ours(rule: UpdateRule, steps: int = 25) -> Tensor:
    theta, path = _START, []
    for _ in range(steps):
        theta = rule.step(theta, _gradient)
        path.append(rule.lookahead(theta) if isinstance(rule, Nesterov) else theta)
    return torch.stack(path)


def _theirs(build: Build, steps: int = 25) -> Tensor:
    theta = _START.clone().requires_grad_()
    optimizer, path = build([theta]), []
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(theta).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        path.append(theta.detach().clone())
    return torch.stack(path)


@pytest.mark.parametrize(
    ("rule", "build"),
    [
        (GradientDescent(0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
        (Momentum(0.05), lambda p: torch.optim.SGD(p, lr=0.05 * (1 - 0.9), momentum=0.9)),
        (Nesterov(0.02), lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True)),
        (Adagrad(0.1, 1e-10, epsilon_outside_sqrt=True), lambda p: torch.optim.Adagrad(p, lr=0.1)),
        (
            RMSprop(0.02, epsilon_outside_sqrt=True),
            lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9),
        ),
        (Adam(0.05), lambda p: torch.optim.Adam(p, lr=0.05)),
    ],
)
def test_translated_each_rule_walks_torchs_path_step_for_step(
    rule: UpdateRule, build: Build
) -> None:
    torch.testing.assert_close(_ours(rule), _theirs(build), rtol=1e-10, atol=1e-12)


def test_at_the_same_rate_torchs_momentum_is_ten_times_as_fast_at_last() -> None:
    def slope(theta: Tensor) -> Tensor:
        return torch.ones_like(theta)

    rule, theta = Momentum(0.01), torch.zeros(1, dtype=torch.float64)
    for _ in range(200):
        before, theta = theta, rule.step(theta, slope)
    assert (before - theta).item() == pytest.approx(0.01)  # torch: 0.01 / (1 - 0.9)

    steep = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([steep], lr=0.01, momentum=0.9)
    for _ in range(200):
        last = steep.item()
        steep.grad = torch.ones_like(steep)
        optimizer.step()
    assert last - steep.item() == pytest.approx(0.1)


def test_torchs_dampening_is_the_courses_momentum_but_for_the_first_step() -> None:
    damped = _theirs(lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.9))
    ours = _ours(Momentum(0.05))
    first, theirs = ours[0] - _START, damped[0] - _START
    torch.testing.assert_close(theirs, 10 * first)

    rule = Momentum(0.05)
    rule.velocity = _gradient(_START)  # what torch remembers after its first step
    torch.testing.assert_close(rule.step(damped[0], _gradient), damped[1])


@pytest.mark.parametrize("kind", [Adagrad, RMSprop])
def test_epsilon_in_the_root_stops_tiny_gradients(kind: type[Adagrad] | type[RMSprop]) -> None:
    theta = torch.zeros(1, dtype=torch.float64)

    def moved(rule: UpdateRule) -> float:
        return rule.step(theta, lambda _: torch.full_like(theta, 1e-6)).abs().item()

    # By hand, Adagrad: 1e-6 / √(1e-12 + 1e-8) ≈ 0.01 against 1e-6 / (1e-6 + 1e-8) ≈ 0.99.
    inside, outside = moved(kind(1.0)), moved(kind(1.0, epsilon_outside_sqrt=True))
    assert inside == pytest.approx(0.01, rel=1e-3)
    assert outside > 90 * inside


def test_the_first_steps_are_as_long_as_stated() -> None:
    theta = torch.zeros(1, dtype=torch.float64)
    for size in (1e-3, 1.0, 1e3):  # Adam's and RMSprop's do not depend on the gradient's size

        def slope(_: Tensor, size: float = size) -> Tensor:
            return torch.full_like(theta, size)

        assert Adam(0.1).step(theta, slope).item() == pytest.approx(-0.1, rel=1e-4)
        assert RMSprop(0.1).step(theta, slope).item() == pytest.approx(-0.1 / 0.1**0.5, rel=0.06)
        assert GradientDescent(0.1).step(theta, slope).item() == pytest.approx(-0.1 * size)
