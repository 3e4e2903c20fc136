"""Behavioral cloning of a scripted player (Pomerleau 1988).

Shapes: B games, T steps, A actions.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config.tasks import ImitationConfig
from training.datasets.base import epoch_generator
from training.datasets.demonstrations import GameData, GameSplit
from training.errors import DataError, RecipeError
from training.tasks.base import Monitor, Scores, Split, build_task, classification_scores
from training.tasks.single_network import SingleNetwork


@build_task.register(ImitationConfig)
class Imitation(SingleNetwork):
    """Minimize the cross entropy with the player's actions over whole games, with carried state."""

    data: GameData
    monitor = Monitor("accuracy", higher_is_better=True)

    def setup(self) -> None:
        if not isinstance(self.data, GameData):
            raise RecipeError(f"{self.data.title} has no games, which the task imitation needs")

    def batches(self, epoch: int) -> Iterator[GameSplit]:
        generator = epoch_generator(self.train_config.seed, epoch)
        return self.data.train.batches(self.train_config.batch_size, generator)

    def loss(self, batch: GameSplit) -> dict[str, Tensor]:
        logits_BTA, actions_BT = self._logits(self.network, batch)
        accuracy = (logits_BTA.detach().argmax(-1) == actions_BT).float().mean()
        loss = functional.cross_entropy(logits_BTA.flatten(0, 1), actions_BT.flatten())
        return {"loss": loss, "accuracy": accuracy}

    def _logits(self, network: nn.Module, games: GameSplit) -> tuple[Tensor, Tensor]:
        images = games.images_NTHW.to(self.fabric.device).float() / 255
        logits_BTA, _ = network(images)
        return logits_BTA.float(), games.actions_NT.to(self.fabric.device)

    def evaluate(self, split: Split) -> Scores:
        """Return the share of actions in which network and player agree, and mean nats."""
        if not self.has_split(split):
            raise DataError(f"{self.data.title} has no {split} split: it has train and test")
        games = self.data.train if split == "train" else self.data.test
        with torch.inference_mode(), self.fabric.autocast():
            logits_NTA, actions_NT = self._logits(self.network_to_publish().eval(), games)
        return classification_scores(logits_NTA, actions_NT)

    def has_split(self, split: Split) -> bool:
        return split in ("train", "test")
