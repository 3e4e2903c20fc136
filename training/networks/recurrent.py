"""What recurrent networks that read pen strokes or pictures share.

Shapes: B batch, T time, I input, H hidden, L layers.
"""

from typing import Literal

from torch import Tensor, nn

__all__ = ["Cell", "Recurrence", "State"]

Cell = Literal["lstm", "gru"]
State = tuple[Tensor, ...]
"""What is remembered, each (L, B, H): hidden and cell of an LSTM, hidden alone of a GRU."""


class Recurrence(nn.Module):
    """LSTM or GRU: (B, T, I) and the state → (B, T, H) and the next state."""

    def __init__(
        self, cell: Cell, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.cell, self.hidden, self.layers = cell, hidden, layers
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.rnn: nn.LSTM | nn.GRU = kind(
            inputs, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )

    def start(self, batch: int) -> State:
        """The state before the first step: zeros."""
        weight = next(self.rnn.parameters())
        shape = (self.layers, batch, self.hidden)
        return tuple(weight.new_zeros(shape) for _ in range(2 if self.cell == "lstm" else 1))

    def forward(self, inputs_BTI: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = self.start(len(inputs_BTI)) if state is None else state
        if isinstance(self.rnn, nn.LSTM):
            hidden_BTH, after = self.rnn(inputs_BTI, (state[0], state[1]))
            return hidden_BTH, tuple(after)
        hidden_BTH, last = self.rnn(inputs_BTI, state[0])
        return hidden_BTH, (last,)
