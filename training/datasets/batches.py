"""Batches of an epoch, in an order that depends only on the seed and the epoch."""

from collections.abc import Callable, Iterator, Sequence

from torch import Generator, Tensor

from training.datasets.base import ImageSplit

Batch = tuple[Tensor, Tensor]


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch, so that a resumed run draws the same as an uninterrupted one."""
    return seed * 1_000_003 + epoch


class Batches:
    """Iterate over (images (B, C, H, W) uint8, labels (B,)) of `split`.

    With a `generator` the order is shuffled, `transforms` are applied, and the last partial batch
    is dropped, because batch statistics over a few images are noise. Without one, every image is
    returned once, unchanged and in order.
    """

    def __init__(
        self,
        split: ImageSplit,
        batch_size: int,
        generator: Generator | None = None,
        transforms: Sequence[Callable[[Tensor, Generator], Tensor]] = (),
    ) -> None:
        self._split = split
        self._batch_size = min(batch_size, len(split))
        self._generator = generator
        self._transforms = transforms

    def __len__(self) -> int:
        full, rest = divmod(len(self._split), self._batch_size)
        return full if self._generator is not None or not rest else full + 1

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._split.batches(self._batch_size, self._generator):
            images_BCHW = batch.images_NCHW
            if self._generator is not None:
                for transform in self._transforms:
                    images_BCHW = transform(images_BCHW, self._generator)
            yield images_BCHW, batch.labels_N
