import math

import pytest
import torch
from torch import Tensor, nn

from tests.training.tiny import recipe
from training.datasets.base import ImageSplit
from training.engine.trainer import prepare
from training.errors import DataError, RecipeError
from training.tasks.classification import Classification


class _FixedLogits(nn.Module):
    """Returns given logits for the images, in their order."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits
        self.position = 0

    def forward(self, images_BCHW: Tensor) -> Tensor:
        start, self.position = self.position, self.position + len(images_BCHW)
        return self.logits[start : self.position]


@pytest.fixture(scope="module")
def task() -> Classification:
    task = prepare(recipe(), accelerator="cpu")[1]
    assert isinstance(task, Classification)
    return task


def test_accuracy_and_likelihood_are_those_worked_out_by_hand(task: Classification) -> None:
    # The right classes get 1/2, 1/4 and 1/8, and only the first two are also the likeliest.
    probabilities = torch.full((3, 10), 1e-30)
    probabilities[0, :2] = torch.tensor([0.5, 0.5 - 1e-3])
    probabilities[1, :5] = torch.tensor([0.2, 0.2, 0.25, 0.15, 0.2])
    probabilities[2, :2] = torch.tensor([0.125, 0.875])
    split = ImageSplit(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 2, 0]))
    # Shifting the logits of all classes equally changes no probability.
    logits = probabilities.log() + torch.tensor([[3.0], [0.0], [-7.0]])
    scores = task.measure(_FixedLogits(logits), split)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["nll"] == pytest.approx(math.log(2 * 4 * 8) / 3, abs=1e-3)


def test_scores_do_not_depend_on_the_batches(task: Classification) -> None:
    # 501 images: the last one is alone in its batch, and the only one that is right.
    logits = torch.zeros(501, 10)
    logits[:500, 1] = logits[500, 0] = 9
    split = ImageSplit(torch.zeros(501, 1, 8, 8, dtype=torch.uint8), torch.zeros(501).long())
    assert task.measure(_FixedLogits(logits), split)["accuracy"] == pytest.approx(1 / 501)


def test_normalised_training_images_have_mean_zero_and_deviation_one(
    task: Classification,
) -> None:
    pixels = task.normalize(task.to_floats(task.split("train").images_NCHW))
    assert pixels.mean().item() == pytest.approx(0, abs=1e-5)
    assert pixels.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_the_loss_of_a_blind_network_is_the_logarithm_of_the_classes(
    task: Classification,
) -> None:
    nn.init.zeros_(task.network.module.fc.weight)
    nn.init.zeros_(task.network.module.fc.bias)
    images, labels = next(iter(task.batches(0)))
    scores = task.loss((images, labels))
    assert scores["loss"].item() == pytest.approx(math.log(10), abs=1e-5)
    assert scores["accuracy"].item() == pytest.approx((labels == 0).float().mean().item())


def test_smoothing_keeps_the_loss_of_a_sure_network_above_zero() -> None:
    smoothed = prepare(
        recipe(task={"kind": "classification", "label_smoothing": 0.1}), accelerator="cpu"
    )[1]
    assert isinstance(smoothed, Classification)
    linear = smoothed.network.module.fc
    nn.init.zeros_(linear.weight)
    linear.bias.data = torch.tensor([math.log(0.5), *[math.log(0.5 / 9)] * 9])
    images, labels = next(iter(smoothed.batches(0)))
    zero = labels == 0
    assert zero.any()
    # Szegedy et al. 2015, section 7: the target is 0.91 for the label and 0.01 for the others.
    expected = -(0.91 * math.log(0.5) + 9 * 0.01 * math.log(0.5 / 9))
    assert smoothed.loss((images[zero], labels[zero]))["loss"].item() == pytest.approx(expected)


def test_other_classes_than_the_data_sets_are_rejected() -> None:
    network = {"kind": "resnet", "depth": 20, "stem": "cifar", "in_channels": 1, "classes": 7}
    with pytest.raises(RecipeError, match=r"network\.classes is 7, but .* has 10 classes: 0, 1"):
        prepare(recipe(network=network), accelerator="cpu")


def test_other_channels_than_the_images_are_rejected() -> None:
    network = {"kind": "resnet", "depth": 20, "stem": "cifar", "classes": 10}
    with pytest.raises(RecipeError, match=r"takes images of 3 channels, but .* has 1"):
        prepare(recipe(network=network), accelerator="cpu")


def test_missing_split_is_named() -> None:
    task = prepare(recipe(data={"kind": "digits"}), accelerator="cpu")[1]
    assert not task.has_split("validation")
    assert task.has_split("test")
    with pytest.raises(DataError, match=r"has no validation split: set data\.validation_size"):
        task.evaluate("validation")
