"""What tasks on pen strokes share: batches, splits, and how training drawings are varied."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import Generator

from models_store.base import FrozenModel
from training.datasets.batches import epoch_seed
from training.datasets.strokes import StrokeData, StrokeSplit
from training.errors import DataError, RecipeError
from training.tasks.base import Split
from training.tasks.single_network import SingleNetwork

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["StrokeAugmentation", "StrokeTask", "augment_strokes", "require_strokes"]


class StrokeAugmentation(FrozenModel):
    """How training drawings are varied."""

    noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Half the side of the square around each training point in which it is moved, in units of the
    box. On a grid, the grid's half: else the narrowest Gaussians win."""
    distortion: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Deviation of the random linear map that each training drawing goes through."""


class StrokeTask(SingleNetwork):
    """One network that learns from drawings, batch by batch."""

    def __init__(
        self, augmentation: StrokeAugmentation, recipe: "Recipe", data: StrokeData, fabric: Fabric
    ) -> None:
        self.augmentation, self.data = augmentation, data
        size = min(recipe.batch_size, len(data.train))
        super().__init__(recipe, len(data.train) // size, fabric)

    def batches(self, epoch: int) -> Iterator[StrokeSplit]:
        generator = Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        for batch in self.data.train.batches(self.recipe.batch_size, generator):
            yield augment_strokes(
                batch, self.augmentation.noise, self.augmentation.distortion, generator
            )

    def split(self, name: Split) -> StrokeSplit:
        """Raises DataError when the data set has no such split."""
        split: StrokeSplit | None = getattr(self.data, name)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split here: set data.validation_size")
        return split

    def has_split(self, split: Split) -> bool:
        return getattr(self.data, split) is not None


def require_strokes(data: object, task: str) -> StrokeData:
    """`data`, where it is pen strokes. Raises RecipeError."""
    if not isinstance(data, StrokeData):
        title = getattr(data, "title", "the data set")
        raise RecipeError(f"{title} has no pen strokes: the task {task} needs them")
    return data


def augment_strokes(
    batch: StrokeSplit, noise: float, distortion: float, generator: Generator
) -> StrokeSplit:
    """Every drawing through a linear map near the identity, and every point moved a little."""
    moves_BT3 = batch.moves_NT3.clone()
    size, time = moves_BT3.shape[:2]
    if distortion:
        maps_B22 = distortion * torch.randn((size, 2, 2), generator=generator)
        moves_BT3[..., :2] = moves_BT3[..., :2] @ (torch.eye(2) + maps_B22)
    if noise:
        points_BT2 = (2 * torch.rand((size, time, 2), generator=generator) - 1) * noise
        moves_BT3[..., :2] += torch.diff(points_BT2, dim=1, prepend=torch.zeros(size, 1, 2))
    return StrokeSplit(moves_BT3, batch.lengths_N, batch.labels_N)
