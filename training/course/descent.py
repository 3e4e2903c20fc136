"""The update rules on a small, real net whose parameters are one vector.

Shapes: N images of P pixels, H hidden units, K classes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.course.digits import load_digit_splits
from training.course.updates import UPDATE_RULES, GradientDescent, UpdateRule
from training.datasets.base import ImageSplit

PIXELS, HIDDEN, CLASSES = 64, 32, 10
_SIZES = [PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES]

_EPOCHS = 4

RATES = dict(zip(UPDATE_RULES, (1.0, 2.0, 0.2, 0.1, 0.02, 0.02), strict=True))
"""Learning rate of each rule with mini-batches of 32: of 1, 2 and 5 times powers of ten, the one
with the lowest loss after the four epochs, mean of seeds 0 to 2."""


@dataclass(frozen=True)
class LossCurve:
    """`losses` over all training images against `epochs`, the passes over the data so far."""

    name: str
    epochs: list[float]
    losses: list[float]
    steps: int


def initial_parameters(seed: int) -> Tensor:
    """Return θ (2,410,): Glorot's weights for one hidden layer of 32 tanh units, biases zero."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for inputs, outputs in ((PIXELS, HIDDEN), (HIDDEN, CLASSES)):
        bound = math.sqrt(6 / (inputs + outputs))
        weights = (2 * torch.rand(inputs * outputs, generator=generator) - 1) * bound
        layers += [weights, torch.zeros(outputs)]
    return torch.cat(layers)


def compute_loss(theta: Tensor, data: ImageSplit) -> Tensor:
    """Return the cross entropy in nats, mean over `data`."""
    w1, b1, w2, b2 = torch.split(theta, _SIZES)
    hidden_NH = torch.tanh(data.images_NCHW.flatten(1) @ w1.view(PIXELS, HIDDEN) + b1)
    logits_NK = hidden_NH @ w2.view(HIDDEN, CLASSES) + b2
    return functional.cross_entropy(logits_NK, data.labels_N)


def train_with_rule(
    name: str, rule: UpdateRule, batch_size: int, epochs: int, seed: int
) -> LossCurve:
    """Train the small net by `rule`, each gradient over `batch_size` images."""
    data = load_digit_splits().train
    theta, seen_images, steps = initial_parameters(seed), 0, 0
    curve = LossCurve(name, [0.0], [float(compute_loss(theta, data))], 0)
    measured_every = max(batch_size, len(data) // 8)
    next_measure = measured_every
    for batch in _batches(data, batch_size, epochs, seed):

        def gradient(at: Tensor, batch: ImageSplit = batch) -> Tensor:
            at = at.detach().requires_grad_()
            (slope,) = torch.autograd.grad(compute_loss(at, batch), at)
            return slope

        theta = rule.step(theta, gradient)
        seen_images, steps = seen_images + len(batch), steps + 1
        if seen_images >= next_measure:
            next_measure += measured_every
            curve.epochs.append(seen_images / len(data))
            curve.losses.append(float(compute_loss(theta, data)))
    return LossCurve(name, curve.epochs, curve.losses, steps)


def _batches(data: ImageSplit, size: int, epochs: int, seed: int) -> Iterator[ImageSplit]:
    """Yield whole batches only: a gradient over few images diverges at these rates."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for indices in torch.split(torch.randperm(len(data), generator=generator), size):
            if len(indices) == size:
                yield data.subset(indices)


def compare_rules(epochs: int = _EPOCHS, seed: int = 0) -> list[LossCurve]:
    """Train with every rule and mini-batches of 32."""
    return [
        train_with_rule(name, UPDATE_RULES[name](rate), 32, epochs, seed)
        for name, rate in RATES.items()
    ]


def compare_batch_sizes(epochs: int = _EPOCHS, seed: int = 0) -> list[LossCurve]:
    """Train by plain descent with the gradient of all images, of 32, and of one.

    Each has the best of its rates, found as in `RATES`: the noise of a single image's gradient
    needs a smaller rate than the mean over 32.
    """
    full_batch = len(load_digit_splits().train)
    return [
        train_with_rule("batch: all 1,297", GradientDescent(1.0), full_batch, epochs, seed),
        train_with_rule("mini-batch: 32", GradientDescent(1.0), 32, epochs, seed),
        train_with_rule("stochastic: 1", GradientDescent(0.05), 1, epochs, seed),
    ]
