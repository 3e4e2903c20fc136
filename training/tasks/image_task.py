"""What tasks on pictures with one network share: batches, splits, pixels as floats."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batches, epoch_seed
from training.errors import DataError, RecipeError
from training.tasks.base import Scores, Split
from training.tasks.single_network import SingleNetwork

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["ImageTask"]


class ImageTask(SingleNetwork):
    """One network that learns from pictures, batch by batch."""

    eval_batch_size = 500

    def __init__(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        in_channels = getattr(
            recipe.network, "in_channels", getattr(recipe.network, "channels", None)
        )
        if in_channels not in (None, data.channels):
            raise RecipeError(
                f"the network takes pictures of {in_channels} channels, but {data.title} has "
                f"{data.channels}: set network.in_channels or network.channels"
            )
        self.recipe = recipe
        self.data = data
        super().__init__(recipe, len(self.batches(0)), fabric)

    @abstractmethod
    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Scores of `network`, already in eval mode, over a whole split."""

    def transforms(self) -> tuple[Any, ...]:
        """The random changes to training pictures."""
        return ()

    def batches(self, epoch: int) -> Batches:
        generator = torch.Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        pictures = self.pictures(epoch)
        return Batches(pictures, self.recipe.batch_size, generator, self.transforms())

    def pictures(self, epoch: int) -> ImageSplit:
        """The training pictures of an epoch, before the random changes."""
        del epoch
        return self.data.train

    def evaluate(self, split: Split) -> Scores:
        network = self.network_to_publish().eval()
        with torch.inference_mode(), self.fabric.autocast():
            return self.measure(network, self.split(split))

    def split(self, name: Split) -> ImageSplit:
        """Raises DataError when the data set has no such split."""
        split: ImageSplit | None = getattr(self.data, name)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split here: set data.validation_size")
        return split

    def has_split(self, split: Split) -> bool:
        return getattr(self.data, split) is not None

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """uint8 pictures → floats in 0–1 on the device, laid out as the network wants them."""
        # Moved as bytes, a quarter of the traffic of floats.
        floats = images_BCHW.to(self.fabric.device).float() / 255
        if self.recipe.channels_last:
            return floats.contiguous(memory_format=torch.channels_last)
        return floats
