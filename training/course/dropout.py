"""Both formulations of dropout (Srivastava et al. 2014, JMLR 15), and its effect."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from training.course.digits import accuracy, load_digit_splits, train
from training.datasets.base import ImageSplit

DROPOUT_RATES = (0.0, 0.2, 0.5, 0.7)


def scaled_at_test_dropout(
    x: Tensor, drop: float, *, training: bool, generator: Generator | None = None
) -> Tensor:
    """Apply the paper's dropout (section 4): drop units in training, scale all of them afterwards.

    `drop` in 0 … 1 is the probability of each unit to be dropped. In evaluation x (1 − drop) equals
    the next layer's mean input in training.
    """
    return x * _keep_mask(x, drop, generator) if training else x * (1 - drop)


def inverted_dropout(
    x: Tensor, drop: float, *, training: bool, generator: Generator | None = None
) -> Tensor:
    """Apply inverted dropout, as torch does: scale the remaining units in training only."""
    return x * _keep_mask(x, drop, generator) / (1 - drop) if training else x


def _keep_mask(x: Tensor, drop: float, generator: Generator | None) -> Tensor:
    return (torch.rand(x.shape, generator=generator) >= drop).to(x.dtype)


def sample_unit_sums(
    drop: float = 0.5, draws: int = 4000, seed: int = 0
) -> dict[str, tuple[Tensor, float]]:
    """Return the sums over 64 dropped inputs, for `draws` masks, and the sum in evaluation.

    The input is one digit; in both formulations the mean of the former equals the latter.
    """
    generator = torch.Generator().manual_seed(seed)
    x_P = load_digit_splits().train.images_NCHW.flatten(1)[0]
    weights_P = torch.randn(len(x_P), generator=generator) / len(x_P) ** 0.5
    inputs_DP = x_P.expand(draws, -1)
    return {
        name: (
            formulation(inputs_DP, drop, training=True, generator=generator) @ weights_P,
            float(formulation(x_P, drop, training=False) @ weights_P),
        )
        for name, formulation in (
            ("scaled at test", scaled_at_test_dropout),
            ("inverted", inverted_dropout),
        )
    }


@dataclass(frozen=True)
class DropoutResult:
    """Results of one net: training `losses` of each epoch, and the accuracy on either split."""

    losses: list[float]
    train_accuracy: float
    test_accuracy: float


def noisy_label_subset(count: int = 300, wrong_fraction: float = 0.3) -> ImageSplit:
    """Return `count` training images, `wrong_fraction` of them with a random label.

    A large net can memorise even these, which is the overfitting that dropout counteracts.
    """
    generator = torch.Generator().manual_seed(0)
    images = load_digit_splits().train.subset(torch.arange(count))
    random_labels = torch.randint(10, (count,), generator=generator)
    is_wrong = torch.rand(count, generator=generator) < wrong_fraction
    return ImageSplit(images.images_NCHW, torch.where(is_wrong, random_labels, images.labels_N))


def run_ablation(drop: float, *, epochs: int = 40, seed: int = 0) -> DropoutResult:
    """Train two hidden layers of 256 ReLU units with dropout probability `drop`.

    `train_accuracy` is measured on the training labels, wrong ones included.
    """
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(drop),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Dropout(drop),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    data = noisy_label_subset()
    losses = train(network, data, optimizer, epochs=epochs, batch_size=30, seed=seed)
    return DropoutResult(
        losses, accuracy(network, data), accuracy(network, load_digit_splits().test)
    )
