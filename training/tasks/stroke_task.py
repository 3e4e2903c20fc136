"""Base of tasks that train one network on pen strokes."""

from collections.abc import Iterator

import torch
from torch import Generator

from training.config.tasks import StrokeAugmentation
from training.datasets.base import epoch_generator
from training.datasets.strokes import StrokeData, StrokeSplit
from training.errors import RecipeError
from training.tasks.base import DatasetTask
from training.tasks.single_network import SingleNetwork


class StrokeTask(DatasetTask[StrokeSplit], SingleNetwork):
    """Provides batches of augmented drawings."""

    config: StrokeAugmentation
    data: StrokeData

    def setup(self) -> None:
        if not isinstance(self.data, StrokeData):
            raise RecipeError(f"{self.data.title} has no pen strokes, which this task needs")

    def batches(self, epoch: int) -> Iterator[StrokeSplit]:
        generator = epoch_generator(self.train_config.seed, epoch)
        for batch in self.data.train.batches(self.train_config.batch_size, generator):
            yield augment_strokes(batch, self.config.noise, self.config.distortion, generator)


def augment_strokes(
    batch: StrokeSplit, noise: float, distortion: float, generator: Generator
) -> StrokeSplit:
    """Apply a random linear map near the identity to each drawing and jitter every point."""
    moves_BT3 = batch.moves_NT3.clone()
    size, time = moves_BT3.shape[:2]
    if distortion:
        maps_B22 = distortion * torch.randn((size, 2, 2), generator=generator)
        moves_BT3[..., :2] = moves_BT3[..., :2] @ (torch.eye(2) + maps_B22)
    if noise:
        points_BT2 = (2 * torch.rand((size, time, 2), generator=generator) - 1) * noise
        moves_BT3[..., :2] += torch.diff(points_BT2, dim=1, prepend=torch.zeros(size, 1, 2))
    return StrokeSplit(moves_BT3, batch.lengths_N, batch.labels_N)
