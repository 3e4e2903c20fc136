"""Recurrent layers shared by the networks that read pen strokes or game frames.

Shapes: B batch, T time, I input, H hidden, L layers.
"""

from typing import Literal

from torch import Tensor, nn

__all__ = ["CellKind", "RecurrentLayers", "RecurrentState"]

CellKind = Literal["lstm", "gru"]
RecurrentState = tuple[Tensor, ...]
"""Recurrent state, each (L, B, H): hidden and cell state of an LSTM, hidden state of a GRU."""


class RecurrentLayers(nn.Module):
    """An LSTM or GRU that maps (B, T, I) and the state to (B, T, H) and the next state."""

    def __init__(
        self, cell: CellKind, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.cell, self.hidden, self.layers = cell, hidden, layers
        rnn_class = nn.LSTM if cell == "lstm" else nn.GRU
        self.rnn: nn.LSTM | nn.GRU = rnn_class(
            inputs, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )

    def initial_state(self, batch: int) -> RecurrentState:
        """Return the state before the first step, all zeros."""
        weight = next(self.rnn.parameters())
        shape = (self.layers, batch, self.hidden)
        return tuple(weight.new_zeros(shape) for _ in range(2 if self.cell == "lstm" else 1))

    def forward(
        self, inputs_BTI: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        state = self.initial_state(len(inputs_BTI)) if state is None else state
        if isinstance(self.rnn, nn.LSTM):
            hidden_BTH, next_state = self.rnn(inputs_BTI, (state[0], state[1]))
            return hidden_BTH, tuple(next_state)
        hidden_BTH, hidden = self.rnn(inputs_BTI, state[0])
        return hidden_BTH, (hidden,)
