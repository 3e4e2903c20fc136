"""A recurrent network that reads pen strokes and classifies the drawing after every move.

It is trained many-to-one: the logits after the last move count (Graves 2012, "Supervised sequence
labelling with recurrent neural networks", chapter 2).

Shapes: B batch, T time, H hidden, K classes.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig
from training.networks.recurrent import CellKind, RecurrentLayers

_MOVE_SIZE = 5


class StrokeReader(nn.Module):
    """`forward` maps moves (B, T, 5) to logits (B, T, K), each computed from the moves so far."""

    class Config(BaseNetworkConfig):
        """Cell, sizes and dropout of the network."""

        kind: Literal["stroke-reader"] = "stroke-reader"
        cell: CellKind = "lstm"
        layers: Annotated[int, Field(ge=1, le=8)] = 1
        hidden: PositiveInt = 128
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Dropout probability between layers and before the last linear layer."""
        classes: Annotated[int, Field(ge=2)] = 10
        scale: Annotated[float, Field(gt=0)] = 0.35
        """Length of a move, in units of the box, that is scaled to 1 at the network's input."""

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
