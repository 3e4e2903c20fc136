"""Tasks of recurrent graphs, which take a state and return the next one.

Shapes: B batch, T time, V characters of a vocabulary; L layers; M components of a mixture.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from models_store.base import FrozenModel
from models_store.signature import GraphSignature, Signature, TensorSignature


class RecurrentState(FrozenModel):
    """A state of a recurrent graph: float32 (layers, B, width), zeros before the first step."""

    name: str
    """Name of the input."""
    next: str
    """Name of the output that is this input of the next step."""
    layers: PositiveInt
    width: PositiveInt


def _step_graph(
    inputs: Sequence[TensorSignature], output: TensorSignature, states: Sequence[RecurrentState]
) -> Signature:
    """Declare a recurrent graph, which takes its states and gives the next ones."""

    def tensors(names: Sequence[str]) -> list[TensorSignature]:
        return [
            TensorSignature(name, "float32", (state.layers, "B", state.width))
            for name, state in zip(names, states, strict=True)
        ]

    return {
        "step": GraphSignature(
            [*inputs, *tensors([state.name for state in states])],
            [output, *tensors([state.next for state in states])],
        )
    }


class TextGeneration(FrozenModel):
    """A recurrent network that predicts the next character.

    `logits[b, t]` of graph `step` is about the character after `tokens[b, t]`. B and T are free:
    one run reads a whole prompt, or advances many texts by one character.
    """

    kind: Literal["text"] = "text"
    roles: ClassVar[tuple[str, ...]] = ("step",)
    vocabulary: Annotated[str, Field(min_length=2)]
    """Every character (code point) that it knows, in the order of their indices."""
    start: Annotated[str, Field(min_length=1)]
    """Text that is read before every prompt, such as a line end, after which a text starts."""
    states: Annotated[tuple[RecurrentState, ...], Field(min_length=1)]

    @property
    def signature(self) -> Signature:
        logits = TensorSignature("logits", "float32", ("B", "T", len(self.vocabulary)))
        return _step_graph([TensorSignature("tokens", "int64", ("B", "T"))], logits, self.states)

    @model_validator(mode="after")
    def _characters_are_distinct_and_known(self) -> Self:
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary contains a character twice")
        if not set(self.start) <= set(self.vocabulary):
            raise ValueError(f"start {self.start!r} has characters that are not in vocabulary")
        return self


class HandwritingGeneration(FrozenModel):
    """A recurrent network that draws symbols move by move.

    Graph `step` takes `moves` and `symbols`, the symbol being drawn, by its index in `symbols`
    below. A move is dx, dy and one of three for the pen where it ends: down, lifted, drawing
    finished. Before the first the pen is lifted, in the middle of a 1 × 1 box.

    `mixture[b, t]` is about the move after `moves[b, t]`: of M Gaussians the logits, the means of
    dx and of dy, the logarithms of their deviations and the inverse hyperbolic tangents of their
    correlation, M values each; then the logits of the pen (Graves 2013, arXiv 1308.0850, section
    4.1). `models_store.sampling.handwriting` draws from it.
    """

    kind: Literal["handwriting"] = "handwriting"
    roles: ClassVar[tuple[str, ...]] = ("step",)
    symbols: Annotated[str, Field(min_length=1)]
    """Every character that it can draw, in the order of their indices."""
    components: PositiveInt
    """M."""
    max_moves: PositiveInt
    """Maximum number of moves, after which a drawing is ended."""
    aspect: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Width of the box over its height, as it should be shown."""
    states: Annotated[tuple[RecurrentState, ...], Field(min_length=1)]

    @property
    def signature(self) -> Signature:
        inputs = [
            TensorSignature("moves", "float32", ("B", "T", 5)),
            TensorSignature("symbols", "int64", ("B", "T")),
        ]
        mixture = TensorSignature("mixture", "float32", ("B", "T", 6 * self.components + 3))
        return _step_graph(inputs, mixture, self.states)

    @model_validator(mode="after")
    def _symbols_are_distinct(self) -> Self:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols contains a character twice")
        return self
