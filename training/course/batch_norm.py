"""Batch normalisation by hand (Ioffe and Szegedy 2015, arXiv 1502.03167), and its effects.

Shapes: B batch, C channels.
"""

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.course.digits import load_digit_splits, train
from training.datasets.base import ImageSplit
from training.optim.initializers import He

NormPosition = Literal["none", "before ReLU", "after ReLU"]

NORM_POSITIONS: tuple[NormPosition, ...] = ("none", "before ReLU", "after ReLU")

RATES = (0.01, 0.1, 0.3)
"""A low, a usual and a high learning rate."""


class BatchNorm:
    """y = γ (x − mean) / √(variance + ε) + β for each channel of x (B, C).

    In training, mean and variance are the batch's own, so the output of an image depends on the
    others (algorithm 1), and running averages are updated. In evaluation these averages are used,
    so the output depends on the image alone (algorithm 2, step 10). As in torch, a running average
    moves by `momentum` towards each batch's value, and uses the unbiased variance.
    """

    def __init__(self, channels: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.gamma = torch.ones(channels)
        self.beta = torch.zeros(channels)
        self.running_mean = torch.zeros(channels)
        self.running_variance = torch.ones(channels)
        self.momentum = momentum
        self.epsilon = epsilon

    def train(self, x_BC: Tensor) -> Tensor:
        mean, variance = x_BC.mean(0), x_BC.var(0, correction=0)
        unbiased = x_BC.var(0, correction=1)
        keep = 1 - self.momentum
        self.running_mean = keep * self.running_mean + self.momentum * mean
        self.running_variance = keep * self.running_variance + self.momentum * unbiased
        return self._normalize(x_BC, mean, variance)

    def evaluate(self, x_BC: Tensor) -> Tensor:
        return self._normalize(x_BC, self.running_mean, self.running_variance)

    def _normalize(self, x_BC: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return self.gamma * (x_BC - mean) / torch.sqrt(variance + self.epsilon) + self.beta


def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution equal to `convolution` followed by `norm` in evaluation mode.

    There a norm is linear, γ (x − μ) / σ + β, and so is a convolution: its weights are multiplied
    by γ / σ, and its bias b becomes (b − μ) γ / σ + β. Both layers stay unchanged.

    Raises:
        ValueError: the norm has no running averages or no γ and β, or other channels.
    """
    if norm.running_mean is None or norm.running_var is None or not norm.affine:
        raise ValueError("only a norm with running averages, γ and β can be folded")
    if norm.num_features != convolution.out_channels:
        raise ValueError(
            f"the norm has {norm.num_features} channels, the convolution before it "
            f"{convolution.out_channels}"
        )
    slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = 0 if convolution.bias is None else convolution.bias
    folded = copy.deepcopy(convolution)
    folded.weight = nn.Parameter((convolution.weight * slope.view(-1, 1, 1, 1)).detach())
    folded.bias = nn.Parameter(((bias - norm.running_mean) * slope + norm.bias).detach())
    return folded


def build_convnet(position: NormPosition, depth: int = 6, width: int = 16) -> nn.Sequential:
    """Map images (B, 1, 8, 8) to logits (B, 10) by `depth` convolutions with or without norms."""
    layers: list[nn.Module] = []
    for channels in (1, *[width] * (depth - 1)):
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if position == "before ReLU":
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        if position == "after ReLU":
            layers.append(nn.BatchNorm2d(width))
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    He(fan="in").apply(network)  # the best start for a net without norms
    return network


def train_network(
    position: NormPosition, rate: float, *, epochs: int = 4, seed: int = 0
) -> tuple[nn.Sequential, list[float]]:
    """Return the trained net and the loss (nats) of each epoch: batches of 32, momentum 0.9."""
    torch.manual_seed(seed)
    network = build_convnet(position)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    data = load_digit_splits().train
    return network, train(network, data, optimizer, epochs=epochs, batch_size=32, seed=seed)


def track_statistics(
    steps: int = 60, batch_size: int = 32, seed: int = 0
) -> dict[str, list[float]]:
    """Return the statistics of one unit of an untrained layer, batch by batch.

    The keys are `batch mean`, `batch deviation`, `running mean`, `running deviation`, and the
    unit's `true mean` and `true deviation` over all images, with a value for each step.
    """
    torch.manual_seed(seed)
    layer, norm = nn.Linear(64, 1), BatchNorm(1)
    data = load_digit_splits().train
    with torch.no_grad():
        # A mean and a deviation far from 0 and 1, where the running averages start.
        outputs_N1 = layer(data.images_NCHW.flatten(1)) * 3 + 2
    statistics: dict[str, list[float]] = {}

    def record(name: str, value: Tensor) -> None:
        statistics.setdefault(name, []).append(float(value))

    for _ in range(steps):
        batch_B1 = outputs_N1[torch.randint(len(data), (batch_size,))]
        norm.train(batch_B1)
        record("batch mean", batch_B1.mean())
        record("batch deviation", batch_B1.std(correction=0))
        record("running mean", norm.running_mean)
        record("running deviation", norm.running_variance.sqrt())
        record("true mean", outputs_N1.mean())
        record("true deviation", outputs_N1.std())
    return statistics


def losses_by_mode(network: nn.Module, data: ImageSplit, batch_size: int) -> tuple[float, float]:
    """Return the loss over `data`, in batches, with batch statistics and with running ones."""
    losses = []
    initial_state = {name: value.clone() for name, value in network.state_dict().items()}
    for training in (True, False):
        network.train(training)
        total = 0.0
        for indices in torch.split(torch.arange(len(data)), batch_size):
            batch = data.subset(indices)
            with torch.no_grad():
                logits = network(batch.images_NCHW)
            total += float(functional.cross_entropy(logits, batch.labels_N, reduction="sum"))
        losses.append(total / len(data))
        network.load_state_dict(initial_state)  # the pass in training mode has changed the averages
    return losses[0], losses[1]
