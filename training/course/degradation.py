"""The degradation experiment (He et al. 2015, section 4.2 and figure 6) at a small scale.

A deeper plain net contains the shallower one: its further layers could pass their input on. Yet it
trains worse, and overfitting is not the cause, because its training error is higher too. With
shortcuts, a block with small weights passes its input on, and depth does no harm.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from training.course.digits import accuracy, load_digit_splits, train
from training.networks.resnet import ResNet
from training.optim.initializers import He
from training.optim.schedules import OneCycle

Depth = Literal[20, 32, 44, 56, 110]

DEPTHS: tuple[Depth, ...] = (20, 32, 56)


@dataclass(frozen=True)
class DegradationResult:
    """Results of one net: the mean loss of each epoch, and the error rate on either split."""

    depth: int
    residual: bool
    losses: list[float]
    train_error: float
    test_error: float


def run_degradation(
    depth: Depth, *, residual: bool, epochs: int = 6, seed: int = 0, width: int = 4
) -> DegradationResult:
    """Train one of the paper's CIFAR nets, a quarter as wide, on scikit-learn's digits.

    Plain and residual nets have the same layers, weights, batches and rates: shortcuts of kind A
    have no parameters.
    """
    torch.manual_seed(seed)
    network = ResNet.Config(
        depth=depth, stem="cifar", classes=10, in_channels=1, width=width, residual=residual
    ).build()
    He(fan="out").apply(network)
    data, batch_size = load_digit_splits(), 64
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = OneCycle().build(optimizer, len(data.train) // batch_size, epochs)
    losses = train(
        network,
        data.train,
        optimizer,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        after_step=schedule.step,
    )
    return DegradationResult(
        depth,
        residual,
        losses,
        1 - accuracy(network, data.train),
        1 - accuracy(network, data.test),
    )
