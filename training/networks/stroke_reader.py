"""A recurrent network that reads pen strokes and says, after every move, what it may become.

Many-to-one: the answer after the last move counts (Graves 2012, "Supervised sequence labelling
with recurrent neural networks", chapter 2).

Shapes: B batch, T time, H hidden, K classes.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig
from training.networks.recurrent import CellKind, RecurrentLayers

__all__ = ["StrokeReader"]

_MOVE_SIZE = 5


class StrokeReader(nn.Module):
    """`forward`: moves (B, T, 5) → logits (B, T, K); those after a move know all up to it."""

    class Config(BaseNetworkConfig):
        """Which recurrent network."""

        kind: Literal["stroke-reader"] = "stroke-reader"
        cell: CellKind = "lstm"
        layers: Annotated[int, Field(ge=1, le=8)] = 1
        hidden: PositiveInt = 128
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Between layers and before the last linear layer."""
        classes: Annotated[int, Field(ge=2)] = 10
        scale: Annotated[float, Field(gt=0)] = 0.35
        """What counts as a move of length 1 inside, in units of the box."""

        @property
        def class_count(self) -> int:
            return self.classes

        def build(self) -> "StrokeReader":
            return StrokeReader(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.recurrence = RecurrentLayers(
            config.cell, _MOVE_SIZE, config.hidden, config.layers, config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, config.classes)

    def forward(self, moves_BT5: Tensor) -> Tensor:
        scale = moves_BT5.new_ones(_MOVE_SIZE)
        scale[:2] = 1 / self.config.scale
        hidden_BTH, _ = self.recurrence(moves_BT5 * scale)
        logits_BTK: Tensor = self.head(self.dropout(hidden_BTH))
        return logits_BTK
