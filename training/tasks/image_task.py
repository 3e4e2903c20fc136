"""Base of tasks that train one network on images."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batch, epoch_generator, training_batches
from training.errors import RecipeError
from training.tasks.base import DatasetTask, Scores, Split
from training.tasks.single_network import SingleNetwork

_MAX_INIT_IMAGES = 5_000
"""Number of training images that a network is initialised from."""


class ImageTask(DatasetTask[ImageSplit], SingleNetwork):
    """Provides batches, evaluation and the conversion of pixels to floats."""

    data: ImageData
    eval_batch_size = 500

    def setup(self) -> None:
        channels = self.train_config.network.image_channels
        if channels not in (None, self.data.channels):
            raise RecipeError(
                f"the network takes images of {channels} channels, but {self.data.title} has "
                f"{self.data.channels}: set network.in_channels or network.channels"
            )

    @abstractmethod
    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Return the scores of `network`, already in eval mode, on a whole split."""

    def init_images(self) -> Tensor:
        return self.data.train.images_NCHW[:_MAX_INIT_IMAGES].float() / 255

    def transforms(self) -> tuple[Any, ...]:
        """Return the random changes to training images."""
        return ()

    def batches(self, epoch: int) -> Iterator[Batch]:
        generator = epoch_generator(self.train_config.seed, epoch)
        return training_batches(
            self.images(epoch), self.train_config.batch_size, generator, self.transforms()
        )

    def images(self, epoch: int) -> ImageSplit:
        """Return the training images of an epoch, before the random changes."""
        del epoch
        return self.data.train

    def evaluate(self, split: Split) -> Scores:
        network = self.network_to_publish().eval()
        with torch.inference_mode(), self.fabric.autocast():
            return self.measure(network, self.split(split))

    def to_floats(self, images_BCHW: Tensor) -> Tensor:
        """Map uint8 images to floats in 0–1, on the device and in the recipe's memory format."""
        # Bytes are moved to the device: a quarter of the traffic of floats.
        floats = images_BCHW.to(self.fabric.device).float() / 255
        if self.train_config.channels_last:
            return floats.contiguous(memory_format=torch.channels_last)
        return floats
