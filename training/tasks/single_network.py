"""Bases of tasks that train one network with one optimizer, on any data or on images."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from models_store.base import FrozenModel
from training.config.train import TrainConfig
from training.datasets.base import Batch, ImageData, ImageSplit, epoch_generator, training_batches
from training.errors import RecipeError
from training.networks.base import InitFromData
from training.optim.ema import ema_model
from training.pretrained.state import load_widened
from training.tasks.base import DatasetTask, Monitor, Scores, Split

_MAX_INIT_IMAGES = 5_000
"""Number of training images that a network is initialised from."""


class SingleNetwork(ABC):
    """Provides the step, the checkpoint state and an optional average (EMA) of the weights."""

    monitor: Monitor
    config: FrozenModel
    """The recipe's `task`."""
    data: Any
    forward_methods: tuple[str, ...] = ()
    """Names of the network's methods, besides `forward`, that `loss` calls."""

    def __init__(
        self, config: FrozenModel, train_config: TrainConfig, data: Any, fabric: Fabric
    ) -> None:
        self.config, self.train_config, self.data, self.fabric = config, train_config, data, fabric
        self.setup()
        self.steps_per_epoch = self.count_steps()
        network = self.build_network()
        if train_config.channels_last:
            network = network.to(memory_format=torch.channels_last)
        optimizer = self.build_optimizer(network)
        self.schedule = train_config.schedule.build(
            optimizer, self.steps_per_epoch, train_config.epochs
        )
        self.network, self.optimizer = fabric.setup(network, optimizer)
        for method in self.forward_methods:
            self.network.mark_forward_method(method)
        decay = train_config.ema_decay
        self.ema_network = ema_model(network, decay) if decay is not None else None

    def setup(self) -> None:  # noqa: B027  # optional
        """Prepare what the network does not need, before it is built.

        Raises:
            RecipeError: when the network or the data do not fit the task.
        """

    def update_network_config(self, **facts: int) -> None:
        """Complete the network's configuration by `facts` of the data."""
        network = self.train_config.network.model_copy(update=facts)
        self.train_config = self.train_config.model_copy(update={"network": network})

    def count_steps(self) -> int:
        """Return the number of batches of an epoch."""
        return int(self.data.batch_count(self.train_config.batch_size))

    def build_network(self) -> nn.Module:
        """Return the network that training starts from; the average starts from a copy of it."""
        network: nn.Module = self.train_config.network.build()
        self.train_config.initializer.apply(network)
        if isinstance(network, InitFromData):
            network.init_from_data(self.init_images())
        return network

    def init_images(self) -> Tensor:
        """Return training images for a network that is initialised from data."""
        raise RecipeError(f"network {self.train_config.network.kind} trains on images only")

    def init_from(self, tensors: Mapping[str, Tensor], source: object) -> None:
        """Start from the weights of the same network or of a smaller, trained one.

        Raises:
            WeightsError: when they do not fit. Nothing is changed then.
        """
        load_widened(self.network.module, tensors, source)
        if self.ema_network is not None:
            self.ema_network.module.load_state_dict(self.network.module.state_dict())

    def build_optimizer(self, network: nn.Module) -> Optimizer:
        return self.train_config.optimizer.build(network)

    @abstractmethod
    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Return a batch's mean loss as `loss`, with its graph, and detached other scores."""

    def step(self, batch: Any) -> dict[str, Tensor]:
        self.network.train()
        scores = self.loss(batch)
        self.optimizer.zero_grad()
        self.fabric.backward(scores["loss"])
        if self.train_config.clip_norm is not None:
            self.fabric.clip_gradients(
                self.network, self.optimizer, max_norm=self.train_config.clip_norm
            )
        self.optimizer.step()
        self.schedule.step()
        if self.ema_network is not None:
            self.ema_network.update_parameters(self.network.module)
        return {name: score.detach() for name, score in scores.items()}

    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def checkpoint_state(self) -> dict[str, Any]:
        state = {
            "network": self.network,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }
        return state if self.ema_network is None else {**state, "average": self.ema_network}

    def save_samples(self, folder: Path, epoch: int) -> None:  # noqa: B027  # optional
        """Save nothing: most tasks have no example outputs."""

    def network_to_publish(self) -> nn.Module:
        """Return the network to publish: the averaged one, unless the recipe selects the last."""
        average = self.ema_network if self.train_config.publishes_ema else None
        network: nn.Module = self.network.module if average is None else average.module
        return network


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
