"""Magnitudes of activations and gradients in a deep net by its initialisation.

The net is plain and deep: the digits' 64 pixels, ten hidden layers of 128 units, ten classes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from training.course.digits import load_digit_splits, train
from training.datasets.base import ImageSplit
from training.optim.initializers import Constant, Glorot, He, Initializer, Normal, Uniform, Zeros

ActivationKind = Literal["tanh", "relu"]

DEPTH, WIDTH = 10, 128

SCHEMES: dict[str, Initializer] = {
    "zeros": Zeros(),
    "constant 0.01": Constant(value=0.01),
    "normal, σ = 0.01": Normal(std=0.01),
    "uniform, ±0.01": Uniform(bound=0.01),
    "Glorot": Glorot(),
    "He": He(fan="in"),
}


@dataclass(frozen=True)
class SignalMagnitudes:
    """Signals of an untrained net over all training images, for each hidden layer."""

    activations: list[float]
    """Root mean square of the units' outputs."""
    gradients: list[float]
    """Root mean square of ∂loss/∂weight."""


def build_deep_network(
    unit: ActivationKind, initializer: Initializer, seed: int = 0
) -> nn.Sequential:
    """Map images (B, 1, 8, 8) to logits (B, 10)."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs in (64, *[WIDTH] * (DEPTH - 1)):
        layers += [nn.Linear(inputs, WIDTH), nn.Tanh() if unit == "tanh" else nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    initializer.apply(network)
    return network


def measure_signals(network: nn.Sequential, data: ImageSplit) -> SignalMagnitudes:
    """Measure one forward and backward pass over `data`; weights are not changed."""
    x, activations = data.images_NCHW, []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Tanh | nn.ReLU):
            activations.append(x.detach().square().mean().sqrt().item())
    functional.cross_entropy(x, data.labels_N).backward()  # type: ignore[no-untyped-call]
    hidden = [layer for layer in network if isinstance(layer, nn.Linear)][:-1]
    gradients = [layer.weight.grad for layer in hidden]
    return SignalMagnitudes(
        activations, [s.square().mean().sqrt().item() for s in gradients if s is not None]
    )


def train_network(
    unit: ActivationKind, initializer: Initializer, *, epochs: int = 8, seed: int = 0
) -> list[float]:
    """Return the loss (nats) of each epoch of plain descent in batches of 32."""
    network = build_deep_network(unit, initializer, seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    return train(
        network, load_digit_splits().train, optimizer, epochs=epochs, batch_size=32, seed=seed
    )
