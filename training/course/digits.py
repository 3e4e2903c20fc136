"""scikit-learn's digits as tensors, and a training loop, shared by the experiments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from training.datasets.base import ImageSplit
from training.datasets.digits import Digits


@dataclass(frozen=True)
class DigitSplits:
    """1,297 training images and 500 test images; the former have zero mean and unit deviation."""

    train: ImageSplit
    test: ImageSplit


@cache
def load_digit_splits() -> DigitSplits:
    """Load the digits once and cache them."""
    data = Digits().load()
    (mean,), (std,) = data.statistics()

    def normalized(split: ImageSplit) -> ImageSplit:
        return ImageSplit((split.images_NCHW.float() / 255 - mean) / std, split.labels_N)

    return DigitSplits(normalized(data.train), normalized(data.test))


def train(
    network: nn.Module,
    data: ImageSplit,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    after_step: Callable[[], None] = lambda: None,
) -> list[float]:
    """Return the mean loss of each epoch. The last, smaller batch of an epoch is dropped."""
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(epochs):
        total = 0.0
        batches = list(data.batches(batch_size, generator))
        for batch in batches:
            network.train()
            loss = functional.cross_entropy(network(batch.images_NCHW), batch.labels_N)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's is not annotated
            optimizer.step()
            after_step()
            total += loss.item()
        losses.append(total / len(batches))
    return losses


@torch.no_grad()
def accuracy(network: nn.Module, data: ImageSplit) -> float:
    """Return the share of `data` that `network` classifies correctly in evaluation mode."""
    network.eval()
    return float((network(data.images_NCHW).argmax(1) == data.labels_N).float().mean())
