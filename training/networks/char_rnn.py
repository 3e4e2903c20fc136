"""Recurrent networks that predict the next character (Graves 2013, arXiv 1308.0850, section 2).

A stacked LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014) between an embedding and a
linear layer. Dropout applies to the non-recurrent connections (Zaremba et al. 2014, arXiv
1409.2329) and, with `weight_drop`, to the recurrent weights (Merity et al. 2017, arXiv 1708.02182,
section 3).

Shapes: B batch, T time, E embedding, H hidden, L layers, V vocabulary.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import BaseNetworkConfig

__all__ = ["CharRNN", "RecurrentState"]

RecurrentState = tuple[Tensor, ...]
"""Recurrent state, each (L, B, H): hidden and cell state of an LSTM, hidden state of a GRU."""

_Probability = Annotated[float, Field(ge=0, lt=1)]


class CharRNN(nn.Module):
    """`forward` maps tokens (B, T) int64 and the state to logits (B, T, V) and the next state."""

    class Config(BaseNetworkConfig):
        """Cell, sizes and dropout of the network."""

        kind: Literal["char_rnn"] = "char_rnn"
        cell: Literal["lstm", "gru"] = "lstm"
        layers: Annotated[int, Field(ge=1, le=8)] = 2
        hidden: PositiveInt = 512
        embedding: PositiveInt = 128
        dropout: _Probability = 0.0
        """Dropout probability after the embedding, between layers, and before the last linear
        layer."""
        weight_drop: _Probability = 0.0
        """Dropout probability of the recurrent weights; one mask for all steps of a window."""
        vocabulary: PositiveInt | None = None
        """Number of characters; by default, as many as the text has."""

        def with_vocabulary(self, vocabulary: int) -> "CharRNN.Config":
            """Return this config with the vocabulary of the text."""
            return self.model_copy(update={"vocabulary": vocabulary})

        def build(self) -> "CharRNN":
            return CharRNN(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.vocabulary is None:
            raise ValueError("a network without a text needs network.vocabulary")
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        cell = nn.LSTM if config.cell == "lstm" else nn.GRU
        # batch_first: cuDNN and the CPU kernels take this layout without a copy
        self.rnn: nn.LSTM | nn.GRU = cell(
            config.embedding,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.head = nn.Linear(config.hidden, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)
        if config.cell == "lstm":
            self._open_forget_gates()

    def _open_forget_gates(self) -> None:
        """Set the forget gates' biases to 1, which keeps memory (Jozefowicz 2015, section 2.2)."""
        hidden = self.config.hidden
        for name, bias in self.rnn.named_parameters():
            if name.startswith("bias"):
                # torch adds two biases and orders the gates input, forget, cell, output.
                value = 1.0 if name.startswith("bias_ih") else 0.0
                nn.init.constant_(bias[hidden : 2 * hidden], value)

    def initial_state(self, batch: int) -> RecurrentState:
        """Return the state before the first character, all zeros."""
        config, weight = self.config, self.head.weight
        count = 2 if config.cell == "lstm" else 1
        shape = (config.layers, batch, config.hidden)
        return tuple(weight.new_zeros(shape) for _ in range(count))

    def forward(
        self, tokens_BT: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        state = self.initial_state(len(tokens_BT)) if state is None else state
        embedded_BTE = self.dropout(self.embedding(tokens_BT))
        if self.training and self.config.weight_drop:
            hidden_BTH, next_state = self._run_rnn_with_weight_drop(embedded_BTE, state)
        else:
            hidden_BTH, next_state = self._run_rnn(embedded_BTE, state)
        logits_BTV: Tensor = self.head(self.dropout(hidden_BTH))
        return logits_BTV, next_state

    def _run_rnn(
        self, embedded_BTE: Tensor, state: RecurrentState
    ) -> tuple[Tensor, RecurrentState]:
        if isinstance(self.rnn, nn.LSTM):
            hidden_BTH, next_state = self.rnn(embedded_BTE, (state[0], state[1]))
            return hidden_BTH, tuple(next_state)
        hidden_BTH, hidden = self.rnn(embedded_BTE, state[0])
        return hidden_BTH, (hidden,)

    def _run_rnn_with_weight_drop(
        self, embedded_BTE: Tensor, state: RecurrentState
    ) -> tuple[Tensor, RecurrentState]:
        # Call the operator below nn.LSTM, because masked weights are not parameters of a module.
        weights = [
            functional.dropout(parameter, self.config.weight_drop)
            if name.startswith("weight_hh")
            else parameter
            for name, parameter in self.rnn.named_parameters()
        ]
        rnn_args = (True, self.config.layers, self.rnn.dropout, True, False, True)
        if isinstance(self.rnn, nn.LSTM):
            hidden_BTH, *next_state = torch.lstm(embedded_BTE, state, weights, *rnn_args)
            return hidden_BTH, tuple(next_state)
        hidden_BTH, hidden = torch.gru(embedded_BTE, state[0], weights, *rnn_args)
        return hidden_BTH, (hidden,)
