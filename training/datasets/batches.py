"""Batches of an epoch, in an order that depends only on the seed and the epoch."""

from collections.abc import Callable, Iterator, Sequence

from torch import Generator, Tensor

from training.datasets.base import ImageSplit

Batch = tuple[Tensor, Tensor]


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch, so that a resumed run draws the same as an uninterrupted one."""
    return seed * 1_000_003 + epoch


def epoch_generator(seed: int, epoch: int) -> Generator:
    """Return a generator for the order and the random changes of an epoch's data."""
    return Generator().manual_seed(epoch_seed(seed, epoch))


def training_batches(
    split: ImageSplit,
    batch_size: int,
    generator: Generator,
    transforms: Sequence[Callable[[Tensor, Generator], Tensor]] = (),
) -> Iterator[Batch]:
    """Yield shuffled, transformed images (B, C, H, W) uint8 of `split`, and their labels (B,).

    The last partial batch is dropped, because batch statistics over a few images are noise.
    """
    for batch in split.batches(batch_size, generator):
        images_BCHW = batch.images_NCHW
        for transform in transforms:
            images_BCHW = transform(images_BCHW, generator)
        yield images_BCHW, batch.labels_N
