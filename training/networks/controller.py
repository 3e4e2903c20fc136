"""A network that reads the frames of a game one by one and chooses an action after each.

It has a recurrent layer in place of stacked frames (Hausknecht and Stone 2015, arXiv 1507.06527),
so that it can remember what is hidden at the moment.

Shapes: B games, T steps, H × W frames, D hidden, A actions.
"""

from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig
from training.networks.recurrent import CellKind, RecurrentLayers, RecurrentState


class Controller(nn.Module):
    """`forward` maps frames (B, T, H, W) in 0–1 and a state to logits (B, T, A) and a state."""

    class Config(BaseNetworkConfig):
        """Sizes of the frames and of the recurrent state."""

        kind: Literal["controller"] = "controller"
        cell: CellKind = "gru"
        height: PositiveInt = 12
        width: PositiveInt = 12
        hidden: PositiveInt = 96
        actions: PositiveInt = 3

        def build(self) -> "Controller":
            return Controller(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.eye = nn.Sequential(nn.Linear(config.height * config.width, config.hidden), nn.ReLU())
        self.recurrence = RecurrentLayers(config.cell, config.hidden, config.hidden)
        self.head = nn.Linear(config.hidden, config.actions)

    def forward(
        self, images_BTHW: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        hidden_BTD, next_state = self.recurrence(self.eye(images_BTHW.flatten(2)), state)
        return self.head(hidden_BTD), next_state
