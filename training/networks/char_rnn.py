"""Recurrent networks that predict the next character (Graves 2013, arXiv 1308.0850, section 2).

A stacked LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014) between an embedding and a
linear layer. Dropout applies to the non-recurrent connections (Zaremba et al. 2014, arXiv
1409.2329) and, with `weight_drop`, to the recurrent weights (Merity et al. 2017, arXiv 1708.02182,
section 3).

Shapes: B batch, T time, E embedding, H hidden, L layers, V vocabulary.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig
from training.networks.recurrent import CellKind, RecurrentState, build_rnn, run_rnn

_Probability = Annotated[float, Field(ge=0, lt=1)]


class CharRNN(nn.Module):
    """`forward` maps tokens (B, T) int64 and the state to logits (B, T, V) and the next state."""

    class Config(BaseNetworkConfig):
        """Cell, sizes and dropout of the network."""

        kind: Literal["char_rnn"] = "char_rnn"
        cell: CellKind = "lstm"
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

        def build(self) -> "CharRNN":
            return CharRNN(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.vocabulary is None:
            raise ValueError("without text data, network.vocabulary must be set")
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.rnn = build_rnn(
            config.cell, config.embedding, config.hidden, config.layers, config.dropout
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

    def forward(
        self, tokens_BT: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        weight_drop = self.config.weight_drop if self.training else 0.0
        embedded_BTE = self.dropout(self.embedding(tokens_BT))
        hidden_BTH, next_state = run_rnn(self.rnn, embedded_BTE, state, weight_drop)
        logits_BTV: Tensor = self.head(self.dropout(hidden_BTH))
        return logits_BTV, next_state
