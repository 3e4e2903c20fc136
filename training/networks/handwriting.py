"""A recurrent network that predicts the next pen move for a given symbol.

Graves 2013 (arXiv 1308.0850), section 4: a mixture of Gaussians over the next move. Graves
conditions on a whole text and learns an alignment (section 5.1); this network draws one symbol at a
time and receives it at every step. The pen has a third state, the end of the drawing, as in Ha and
Eck 2017 (arXiv 1704.03477, section 3.2).

Shapes: B batch, T time, E embedding, H hidden, M components.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import BaseNetworkConfig
from training.networks.recurrent import CellKind, RecurrentLayers, RecurrentState

_MOVE_SIZE, _PEN_STATES = 5, 3
_MIN_LOG_STD = -7.0
"""A thousandth of the box. The bound keeps a mixture from fitting the grid on which the points were
recorded."""


class Handwriting(nn.Module):
    """`forward` maps moves (B, T, 5), symbols (B, T) and a state to (B, T, 6M + 3) and a state.

    Moves and the mixture are in units of the drawing's box; internally they are divided by `scale`.
    """

    scale: Tensor

    class Config(BaseNetworkConfig):
        """Cell, sizes and dropout of the network."""

        kind: Literal["handwriting"] = "handwriting"
        cell: CellKind = "lstm"
        layers: Annotated[int, Field(ge=1, le=8)] = 1
        hidden: PositiveInt = 256
        embedding: PositiveInt = 16
        """Size of the symbol's embedding."""
        components: PositiveInt = 20
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
        """Dropout probability between layers and before the last linear layer."""
        symbols: PositiveInt | None = None
        """Number of symbols; by default, as many as the data have."""
        scale: Annotated[float, Field(gt=0)] = 0.35
        """Length of a move, in units of the box, that is scaled to 1 at the network's input."""

        def build(self) -> "Handwriting":
            return Handwriting(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.symbols is None:
            raise ValueError("without data, network.symbols must be set")
        self.config = config
        self.embedding = nn.Embedding(config.symbols, config.embedding)
        self.recurrence = RecurrentLayers(
            config.cell, _MOVE_SIZE + config.embedding, config.hidden, config.layers, config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, 6 * config.components + _PEN_STATES)

    def forward(
        self, moves_BT5: Tensor, symbols_BT: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        inputs = [moves_BT5 * self.input_scale(), self.embedding(symbols_BT)]
        hidden_BTH, next_state = self.recurrence(torch.cat(inputs, -1), state)
        scale, shift = self.output_scale()
        return self.head(self.dropout(hidden_BTH)) * scale + shift, next_state

    def input_scale(self) -> Tensor:
        """Return factors (5,) of the moves: distances are scaled, pen states are not."""
        scale = self.head.weight.new_ones(_MOVE_SIZE)
        scale[:2] = 1 / self.config.scale
        return scale

    def output_scale(self) -> tuple[Tensor, Tensor]:
        """Return factor and addend (6M + 3,) that convert means and log deviations to box units."""
        count = self.config.components
        factor, addend = torch.ones_like(self.head.bias), torch.zeros_like(self.head.bias)
        factor[count : 3 * count] = self.config.scale
        addend[3 * count : 5 * count] = torch.tensor(self.config.scale).log()
        return factor, addend


def mixture_nll(mixture_BTO: Tensor, moves_BT5: Tensor) -> tuple[Tensor, Tensor]:
    """Return the negative log likelihoods (B, T) of moves (equations 23–26) and pen, in nats.

    The moves have a density over a plane in units of the box, so their nats may be negative.
    """
    count = (mixture_BTO.shape[-1] - _PEN_STATES) // 6
    weights, mean_x, mean_y, wide, high, correlation = torch.split(
        mixture_BTO[..., :-_PEN_STATES], count, -1
    )
    wide, high = wide.clamp_min(_MIN_LOG_STD), high.clamp_min(_MIN_LOG_STD)
    x = (moves_BT5[..., :1] - mean_x) * (-wide).exp()
    y = (moves_BT5[..., 1:2] - mean_y) * (-high).exp()
    rho = correlation.tanh()
    # log(1 - tanh²) as -2 log cosh, which stays finite where tanh rounds to 1.
    log_narrow = -2 * (functional.softplus(2 * correlation) - correlation) + 2 * torch.log(
        correlation.new_tensor(2.0)
    )
    distance = (x * x + y * y - 2 * rho * x * y) * (-log_narrow).exp()
    log_normal = (
        -distance / 2
        - wide
        - high
        - log_narrow / 2
        - torch.log(correlation.new_tensor(2 * torch.pi))
    )
    move_nll = -torch.logsumexp(weights.log_softmax(-1) + log_normal, -1)
    pen_nll = -(mixture_BTO[..., -_PEN_STATES:].log_softmax(-1) * moves_BT5[..., 2:]).sum(-1)
    return move_nll, pen_nll
