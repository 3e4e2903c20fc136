import pytest
import torch
from torch import Generator, Tensor

from training.datasets.base import ImageSplit
from training.datasets.batches import Batches, epoch_seed


def _split(count: int) -> ImageSplit:
    """Return a split whose image i and label are all i."""
    labels = torch.arange(count)
    return ImageSplit(labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2), labels)


def _order(seed: int, epoch: int) -> list[int]:
    batches = Batches(_split(20), 5, Generator().manual_seed(epoch_seed(seed, epoch)))
    return torch.cat([labels for _, labels in batches]).tolist()


def test_every_image_comes_once_an_epoch_with_its_own_label() -> None:
    batches = list(Batches(_split(20), 5, Generator().manual_seed(0)))
    assert sorted(torch.cat([labels for _, labels in batches]).tolist()) == list(range(20))
    for images, labels in batches:
        assert torch.equal(images[:, 0, 0, 0].long(), labels)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert _order(1, 0) == _order(1, 0)
    assert len({tuple(_order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert _order(1, 0) != list(range(20))


def test_training_drops_the_last_partial_batch() -> None:
    batches = Batches(_split(11), 4, Generator().manual_seed(0))
    assert [len(labels) for _, labels in batches] == [4, 4]
    assert len(batches) == 2


def test_evaluation_keeps_the_last_partial_batch_and_the_order() -> None:
    batches = Batches(_split(11), 4)
    assert [len(labels) for _, labels in batches] == [4, 4, 3]
    assert len(batches) == 3
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(11))


@pytest.mark.parametrize("generator", [None, Generator()])
def test_a_set_smaller_than_a_batch_is_one_batch(generator: Generator | None) -> None:
    batches = Batches(_split(3), 128, generator)
    assert [len(labels) for _, labels in batches] == [3]
    assert len(batches) == 1


def test_only_training_images_are_transformed() -> None:
    def brighten(images_BCHW: Tensor, generator: Generator) -> Tensor:
        del generator
        return images_BCHW + 100

    split = _split(4)
    trained = torch.cat([i for i, _ in Batches(split, 2, Generator(), (brighten,))])
    evaluated = torch.cat([i for i, _ in Batches(split, 2, None, (brighten,))])
    assert sorted(trained[:, 0, 0, 0].tolist()) == [100, 101, 102, 103]
    assert evaluated[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
