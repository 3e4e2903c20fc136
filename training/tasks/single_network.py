"""What tasks with one network and one optimizer share, whatever they learn from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from training.optim.ema import ema_model
from training.pretrained.net2net import load_widened
from training.tasks.base import Monitor

if TYPE_CHECKING:
    from training.config.recipe import Recipe

__all__ = ["SingleNetwork"]


class SingleNetwork(ABC):
    """The step, the state; optionally an exponential moving average (EMA) of the weights."""

    monitor: Monitor

    def __init__(self, recipe: "Recipe", steps_per_epoch: int, fabric: Fabric) -> None:
        self.recipe = recipe
        self.fabric = fabric
        self.steps_per_epoch = steps_per_epoch
        network = self.build_network()
        if recipe.channels_last:
            network = network.to(memory_format=torch.channels_last)
        optimizer = self.build_optimizer(network)
        self.schedule = recipe.schedule.build(optimizer, steps_per_epoch, recipe.epochs)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        decay = recipe.ema_decay
        self.ema_network = ema_model(network, decay) if decay is not None else None

    def build_network(self) -> nn.Module:
        """The network as training finds it; the average starts from a copy of it."""
        network = self.recipe.network.build()
        self.recipe.initializer.apply(network)
        return network

    def init_from(self, tensors: Mapping[str, Tensor], source: object) -> None:
        """Begin with the weights of the same network, or as a smaller one that was trained.

        Raises:
            WeightsError: when they do not fit; nothing is changed then.
        """
        load_widened(self.network.module, tensors, source)
        if self.ema_network is not None:
            self.ema_network.module.load_state_dict(self.network.module.state_dict())

    def build_optimizer(self, network: nn.Module) -> Optimizer:
        return self.recipe.optimizer.build(network)

    @abstractmethod
    def loss(self, batch: Any) -> dict[str, Tensor]:
        """A batch's mean loss under `loss`, with the graph; other scores beside it, detached."""

    def step(self, batch: Any) -> dict[str, Tensor]:
        self.network.train()
        scores = self.loss(batch)
        self.optimizer.zero_grad()
        self.fabric.backward(scores["loss"])
        if self.recipe.clip_norm is not None:
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=self.recipe.clip_norm)
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

    def save_samples(self, folder: Path, epoch: int) -> None:  # noqa: B027  # few tasks can
        """Nothing: the scores say it all."""

    def network_to_publish(self) -> nn.Module:
        """The network to publish: the averaged one, where there is one and the recipe wants it."""
        average = self.ema_network if self.recipe.publish.weights == "average" else None
        network: nn.Module = self.network.module if average is None else average.module
        return network
