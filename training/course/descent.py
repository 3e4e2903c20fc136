"""The update rules on a real, small net, whose parameters are one vector as the rules want it.

Shapes: N pictures of P pixels, H hidden units, K classes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.course.digits import Pictures, digits
from training.course.updates import RULES, Descent, Rule

__all__ = ["RATES", "Curve", "batch_sizes", "descend", "rules", "start"]

PIXELS, HIDDEN, CLASSES = 64, 32, 10
_SIZES = [PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES]

_EPOCHS = 4

RATES = dict(zip(RULES, (1.0, 2.0, 0.2, 0.1, 0.02, 0.02), strict=True))
"""For each rule, with mini-batches of 32: of 1, 2 and 5 times powers of ten, the one that has the
lowest loss after the four epochs, mean of seeds 0 to 2."""


@dataclass(frozen=True)
class Curve:
    """`losses`: over all training pictures, against `epochs`, how often each has been seen."""

    name: str
    epochs: list[float]
    losses: list[float]
    steps: int


def start(seed: int) -> Tensor:
    """θ (2,410,): Glorot's weights for one hidden layer of 32 tanh units, biases zero."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for inputs, outputs in ((PIXELS, HIDDEN), (HIDDEN, CLASSES)):
        bound = math.sqrt(6 / (inputs + outputs))
        weights = (2 * torch.rand(inputs * outputs, generator=generator) - 1) * bound
        layers += [weights, torch.zeros(outputs)]
    return torch.cat(layers)


def loss_of(theta: Tensor, pictures: Pictures) -> Tensor:
    """Cross entropy in nats, mean over `pictures`."""
    w1, b1, w2, b2 = torch.split(theta, _SIZES)
    hidden_NH = torch.tanh(pictures.flat_NP @ w1.view(PIXELS, HIDDEN) + b1)
    logits_NK = hidden_NH @ w2.view(HIDDEN, CLASSES) + b2
    return functional.cross_entropy(logits_NK, pictures.labels_N)


def descend(name: str, rule: Rule, batch_size: int, epochs: int, seed: int) -> Curve:
    """Train the small net by `rule`, each gradient over `batch_size` pictures."""
    pictures = digits().train
    theta, seen, steps = start(seed), 0, 0
    curve = Curve(name, [0.0], [float(loss_of(theta, pictures))], 0)
    measured_every = max(batch_size, len(pictures) // 8)
    next_measure = measured_every
    for batch in _batches(pictures, batch_size, epochs, seed):

        def gradient(at: Tensor, batch: Pictures = batch) -> Tensor:
            at = at.detach().requires_grad_()
            (slope,) = torch.autograd.grad(loss_of(at, batch), at)
            return slope

        theta = rule.step(theta, gradient)
        seen, steps = seen + len(batch), steps + 1
        if seen >= next_measure:
            next_measure += measured_every
            curve.epochs.append(seen / len(pictures))
            curve.losses.append(float(loss_of(theta, pictures)))
    return Curve(name, curve.epochs, curve.losses, steps)


def _batches(pictures: Pictures, size: int, epochs: int, seed: int) -> Iterator[Pictures]:
    """Whole batches only: at these rates, the few pictures that are left throw the net about."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(pictures), generator=generator), size):
            if len(chosen) == size:
                yield pictures.take(chosen)


def rules(epochs: int = _EPOCHS, seed: int = 0) -> list[Curve]:
    """Every rule with mini-batches of 32."""
    return [descend(name, RULES[name](rate), 32, epochs, seed) for name, rate in RATES.items()]


def batch_sizes(epochs: int = _EPOCHS, seed: int = 0) -> list[Curve]:
    """Plain descent with the gradient of all pictures, of 32, and of one.

    Each has the best of its rates, found as in `RATES`: the noise of one picture does not allow
    what the mean over 32 does.
    """
    everything = len(digits().train)
    return [
        descend("batch: all 1,297", Descent(1.0), everything, epochs, seed),
        descend("mini-batch: 32", Descent(1.0), 32, epochs, seed),
        descend("stochastic: 1", Descent(0.05), 1, epochs, seed),
    ]
