"""scikit-learn's digits as tensors, and a training loop, shared by the experiments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.datasets.base import ImageSplit
from training.datasets.digits import Digits

__all__ = ["DigitSplits", "LabelledImages", "accuracy", "load_digit_splits", "train"]


@dataclass(frozen=True)
class LabelledImages:
    """`images_NCHW`: zero mean, unit deviation over the training images; `labels_N`: 0 to 9."""

    images_NCHW: Tensor
    labels_N: Tensor

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def pixels_NP(self) -> Tensor:
        return self.images_NCHW.flatten(1)

    def subset(self, indices: Tensor) -> "LabelledImages":
        return LabelledImages(self.images_NCHW[indices], self.labels_N[indices])


@dataclass(frozen=True)
class DigitSplits:
    """1,297 training images and 500 test images."""

    train: LabelledImages
    test: LabelledImages


@cache
def load_digit_splits() -> DigitSplits:
    """Load the digits once and cache them."""
    data = Digits().load()
    (mean,), (std,) = data.statistics()

    def normalised(split: ImageSplit) -> LabelledImages:
        return LabelledImages((split.images_NCHW.float() / 255 - mean) / std, split.labels_N)

    return DigitSplits(normalised(data.train), normalised(data.test))


def train(
    network: nn.Module,
    data: LabelledImages,
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
        order = torch.randperm(len(data), generator=generator)
        batches = torch.split(order, batch_size)
        full_batches = [indices for indices in batches if len(indices) == batch_size]
        for indices in full_batches:
            batch = data.subset(indices)
            network.train()
            loss = functional.cross_entropy(network(batch.images_NCHW), batch.labels_N)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's is not annotated
            optimizer.step()
            after_step()
            total += loss.item()
        losses.append(total / len(full_batches))
    return losses


@torch.no_grad()
def accuracy(network: nn.Module, data: LabelledImages) -> float:
    """Return the share of `data` that `network` classifies correctly in evaluation mode."""
    network.eval()
    return float((network(data.images_NCHW).argmax(1) == data.labels_N).float().mean())
