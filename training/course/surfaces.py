"""Losses of two parameters, on which the path of an optimizer can be plotted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.course.updates import UPDATE_RULES, UpdateRule


@dataclass(frozen=True)
class Surface:
    """`loss` maps points (…, 2) to (…,); `minima` are its global minima."""

    name: str
    loss: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]
    """Plotted range: x from, x to, y from, y to."""
    steps: int
    rates: dict[str, float]
    """A rate η for each rule, chosen by hand so that every rule converges visibly."""
    traps: tuple[tuple[float, float], ...] = ()
    """Points where the gradient vanishes that are not global minima: saddles and local minima."""


def gradient(surface: Surface, theta: Tensor) -> Tensor:
    """Return ∂loss/∂θ (2,) at θ (2,), computed by autograd."""
    point = theta.detach().requires_grad_()
    (slope,) = torch.autograd.grad(surface.loss(point), point)
    return slope


def run_optimizer(surface: Surface, rule: UpdateRule) -> Tensor:
    """Return the points (steps + 1, 2) that `rule` visits from the start, in float64."""
    theta = torch.tensor(surface.start, dtype=torch.float64)
    path = [theta]
    for _ in range(surface.steps):
        theta = rule.step(theta, lambda at: gradient(surface, at))
        path.append(theta)
    return torch.stack(path)


def run_all_optimizers(surface: Surface) -> dict[str, Tensor]:
    """Return the path of every rule with its rate for this surface."""
    return {
        name: run_optimizer(surface, UPDATE_RULES[name](rate))
        for name, rate in surface.rates.items()
    }


def classify_endpoint(surface: Surface, path: Tensor, tolerance: float = 0.25) -> str:
    """Return `minimum`, `trap` or `under way` for the end of `path` (T, 2)."""

    def is_near(points: tuple[tuple[float, float], ...]) -> bool:
        targets = torch.tensor(points, dtype=torch.float64).view(-1, 2)
        return bool(((targets - path[-1]).norm(dim=1) < tolerance).any())

    if is_near(surface.minima):
        return "minimum"
    return "trap" if is_near(surface.traps) else "under way"


def _bowl(theta: Tensor) -> Tensor:
    """Compute a convex bowl that is 25 times as steep in y as in x."""
    x, y = theta.unbind(-1)
    return (x**2 + 25 * y**2) / 2


def _rosenbrock(theta: Tensor) -> Tensor:
    """Compute Rosenbrock's function (1960) with 20 in place of 100: a bent, nearly flat valley."""
    x, y = theta.unbind(-1)
    return (1 - x) ** 2 + 20 * (y - x**2) ** 2


def _saddle(theta: Tensor) -> Tensor:
    """Compute a function with a saddle at the origin and minima at (0, ±1)."""
    x, y = theta.unbind(-1)
    return x**2 / 2 - y**2 / 2 + y**4 / 4


def _styblinski_tang(theta: Tensor) -> Tensor:
    """Compute a tenth of Styblinski and Tang's function (1990): four minima, one of them global."""
    return ((theta**4 - 16 * theta**2 + 5 * theta) / 20).sum(-1)


_DEEP, _SHALLOW = -2.903534, 2.746803
"""The two minima of Styblinski and Tang's one-dimensional function."""


def _rates(*rates: float) -> dict[str, float]:
    return dict(zip(UPDATE_RULES, rates, strict=True))


SURFACES = (
    Surface(
        "convex: a narrow bowl",
        _bowl,
        start=(-4.0, 1.5),
        minima=((0.0, 0.0),),
        window=(-4.6, 2.2, -2.0, 2.0),
        steps=60,
        rates=_rates(0.07, 0.2, 0.02, 1.0, 0.1, 0.3),
    ),
    Surface(
        "not convex: a bent valley",
        _rosenbrock,
        start=(-1.3, 1.3),
        minima=((1.0, 1.0),),
        window=(-1.8, 1.7, -0.9, 2.2),
        steps=150,
        rates=_rates(0.01, 0.05, 0.003, 0.3, 0.05, 0.2),
    ),
    Surface(
        "not convex: a saddle",
        _saddle,
        start=(-2.0, 1e-3),
        minima=((0.0, 1.0), (0.0, -1.0)),
        window=(-2.4, 1.2, -1.6, 1.6),
        steps=100,
        rates=_rates(0.1, 0.1, 0.02, 0.3, 0.05, 0.1),
        traps=((0.0, 0.0),),
    ),
    Surface(
        "not convex: spurious minima",
        _styblinski_tang,
        start=(4.4, -0.2),
        minima=((_DEEP, _DEEP),),
        window=(-4.6, 4.6, -4.6, 4.6),
        steps=80,
        rates=_rates(0.1, 0.5, 0.2, 0.5, 0.1, 0.3),
        traps=((_SHALLOW, _SHALLOW), (_SHALLOW, _DEEP), (_DEEP, _SHALLOW)),
    ),
)
