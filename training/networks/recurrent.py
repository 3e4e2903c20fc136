"""Recurrent layers of the networks that read characters, pen strokes or game frames.

Shapes: B batch, T time, I input, H hidden, L layers.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

CellKind = Literal["lstm", "gru"]
RNN = nn.LSTM | nn.GRU
RecurrentState = tuple[Tensor, ...]
"""Recurrent state, each (L, B, H): hidden and cell state of an LSTM, hidden state of a GRU."""


def build_rnn(
    cell: CellKind, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0
) -> RNN:
    """Return a stacked LSTM or GRU with dropout between its layers."""
    # batch_first: cuDNN and the CPU kernels take this layout without a copy
    rnn_class = nn.LSTM if cell == "lstm" else nn.GRU
    return rnn_class(
        inputs, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
    )


def initial_state(rnn: RNN, batch: int) -> RecurrentState:
    """Return the state before the first step, all zeros."""
    weight, shape = next(rnn.parameters()), (rnn.num_layers, batch, rnn.hidden_size)
    return tuple(weight.new_zeros(shape) for _ in range(2 if isinstance(rnn, nn.LSTM) else 1))


def run_rnn(
    rnn: RNN, inputs_BTI: Tensor, state: RecurrentState | None = None, weight_drop: float = 0.0
) -> tuple[Tensor, RecurrentState]:
    """Return hidden states (B, T, H) and the next state.

    `weight_drop` is the dropout probability of the recurrent weights; one mask serves all steps.
    """
    state = initial_state(rnn, len(inputs_BTI)) if state is None else state
    if weight_drop:
        return _run_with_weight_drop(rnn, inputs_BTI, state, weight_drop)
    if isinstance(rnn, nn.LSTM):
        hidden_BTH, next_state = rnn(inputs_BTI, (state[0], state[1]))
        return hidden_BTH, tuple(next_state)
    hidden_BTH, hidden = rnn(inputs_BTI, state[0])
    return hidden_BTH, (hidden,)


def _run_with_weight_drop(
    rnn: RNN, inputs_BTI: Tensor, state: RecurrentState, probability: float
) -> tuple[Tensor, RecurrentState]:
    # Call the operator below nn.LSTM, because masked weights are not parameters of a module.
    weights = [
        functional.dropout(parameter, probability) if name.startswith("weight_hh") else parameter
        for name, parameter in rnn.named_parameters()
    ]
    rnn_args = (True, rnn.num_layers, rnn.dropout, True, False, True)
    if isinstance(rnn, nn.LSTM):
        hidden_BTH, *next_state = torch.lstm(inputs_BTI, state, weights, *rnn_args)
        return hidden_BTH, tuple(next_state)
    hidden_BTH, hidden = torch.gru(inputs_BTI, state[0], weights, *rnn_args)
    return hidden_BTH, (hidden,)


class RecurrentLayers(nn.Module):
    """An LSTM or GRU that maps (B, T, I) and the state to (B, T, H) and the next state."""

    def __init__(
        self, cell: CellKind, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.rnn = build_rnn(cell, inputs, hidden, layers, dropout)

    def forward(
        self, inputs_BTI: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        return run_rnn(self.rnn, inputs_BTI, state)
