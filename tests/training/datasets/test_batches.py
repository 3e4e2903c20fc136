import pytest
import torch
from torch import Generator, Tensor

from training.datasets.base import ImageSplit, epoch_generator, training_batches


def _split(count: int) -> ImageSplit:
    """Return a split whose image i and label are all i."""
    labels = torch.arange(count)
    return ImageSplit(labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2), labels)


def _order(seed: int, epoch: int) -> list[int]:
    batches = training_batches(_split(20), 5, epoch_generator(seed, epoch))
    return torch.cat([labels for _, labels in batches]).tolist()


def test_every_image_comes_once_an_epoch_with_its_own_label() -> None:
    batches = list(training_batches(_split(20), 5, Generator().manual_seed(0)))
    assert sorted(torch.cat([labels for _, labels in batches]).tolist()) == list(range(20))
    for images, labels in batches:
        assert torch.equal(images[:, 0, 0, 0].long(), labels)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert _order(1, 0) == _order(1, 0)
    assert len({tuple(_order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert _order(1, 0) != list(range(20))


def test_training_drops_the_last_partial_batch() -> None:
    batches = training_batches(_split(11), 4, Generator().manual_seed(0))
    assert [len(labels) for _, labels in batches] == [4, 4]
    assert _split(11).batch_count(4) == 2


def test_evaluation_keeps_the_last_partial_batch_and_the_order() -> None:
    batches = list(_split(11).batches(4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert torch.cat([batch.labels_N for batch in batches]).tolist() == list(range(11))


@pytest.mark.parametrize("generator", [None, Generator()])
def test_a_set_smaller_than_a_batch_is_one_batch(generator: Generator | None) -> None:
    assert [len(batch) for batch in _split(3).batches(128, generator)] == [3]
    assert _split(3).batch_count(128) == 1


def test_training_images_are_transformed() -> None:
    def brighten(images_BCHW: Tensor, generator: Generator) -> Tensor:
        del generator
        return images_BCHW + 100

    batches = training_batches(_split(4), 2, Generator(), (brighten,))
    images = torch.cat([images for images, _ in batches])
    assert sorted(images[:, 0, 0, 0].tolist()) == [100, 101, 102, 103]
