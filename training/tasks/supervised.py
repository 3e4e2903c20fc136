"""What tasks with one network and one optimizer share: the step, the average, the state."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from training.average import moving_average
from training.datasets.base import ImageData, ImageSplit
from training.datasets.batches import Batch, Batches, epoch_seed
from training.errors import DataError, RecipeError
from training.tasks.base import Monitor, Scores, Split

if TYPE_CHECKING:
    from training.recipe import Recipe

__all__ = ["Supervised"]


class Supervised(ABC):
    """One network, one optimizer, one schedule; optionally an exponential moving average (EMA)."""

    monitor: Monitor
    eval_batch_size = 500

    def __init__(self, recipe: "Recipe", data: ImageData, fabric: Fabric) -> None:
        wanted = getattr(recipe.network, "in_channels", getattr(recipe.network, "channels", None))
        if wanted not in (None, data.channels):
            raise RecipeError(
                f"the network takes pictures of {wanted} channels, but {data.title} has "
                f"{data.channels}: set network.in_channels or network.channels"
            )
        self.recipe = recipe
        self.data = data
        self.fabric = fabric
        self.steps_per_epoch = len(self.batches(0))

        network = self.build_network()
        if recipe.channels_last:
            network = network.to(memory_format=torch.channels_last)
        optimizer = self.build_optimizer(network)
        self.schedule = recipe.schedule.build(optimizer, self.steps_per_epoch, recipe.epochs)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        decay = recipe.ema_decay
        self.average = moving_average(network, decay) if decay is not None else None

    def build_network(self) -> nn.Module:
        """The network as training finds it; the average starts from a copy of it."""
        network = self.recipe.network.build()
        self.recipe.initializer.apply(network)
        return network

    def build_optimizer(self, network: nn.Module) -> Optimizer:
        return self.recipe.optimizer.build(network)

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """A batch's mean loss under `loss`, with the graph; other scores beside it, detached."""

    @abstractmethod
    def measure(self, network: nn.Module, split: ImageSplit) -> Scores:
        """Scores of `network`, already in eval mode, over a whole split."""

    def transforms(self) -> tuple[Any, ...]:
        """The random changes to training pictures."""
        return ()

    def batches(self, epoch: int) -> Batches:
        generator = torch.Generator().manual_seed(epoch_seed(self.recipe.seed, epoch))
        return Batches(self.data.train, self.recipe.batch_size, generator, self.transforms())

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.network.train()
        scores = self.loss(batch)
        self.optimizer.zero_grad()
        self.fabric.backward(scores["loss"])
        if self.recipe.clip_norm is not None:
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=self.recipe.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network.module)
        return {name: score.detach() for name, score in scores.items()}

    def evaluate(self, split: Split) -> Scores:
        network = self.published_network().eval()
        with torch.inference_mode(), self.fabric.autocast():
            return self.measure(network, self.split(split))

    def split(self, name: Split) -> ImageSplit:
        """Raises DataError when the data set has no such split."""
        split: ImageSplit | None = getattr(self.data, name)
        if split is None:
            raise DataError(f"{self.data.title} has no {name} split here: set data.validation_size")
        return split

    def has(self, split: Split) -> bool:
        return getattr(self.data, split) is not None

    def prepare(self, images_BCHW: Tensor) -> Tensor:
        """uint8 pictures → floats in 0–1 on the device, laid out as the network wants them."""
        # Moved as bytes, a quarter of the traffic of floats.
        floats = images_BCHW.to(self.fabric.device).float() / 255
        if self.recipe.channels_last:
            return floats.contiguous(memory_format=torch.channels_last)
        return floats

    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        state = {
            "network": self.network,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }
        return state if self.average is None else {**state, "average": self.average}

    def published_network(self) -> nn.Module:
        """The network to publish: the averaged one, where there is one and the recipe wants it."""
        average = self.average if self.recipe.publish.weights == "average" else None
        network: nn.Module = self.network.module if average is None else average.module
        return network
