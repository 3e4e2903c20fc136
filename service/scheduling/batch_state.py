"""Texts that share the runs of one graph: a row each in arrays that the graph reads in place.

Shapes: B texts, T time, L layers, H width, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import State
from service.scheduling.generation_stream import Stream
from service.scheduling.sampling import Choices

__all__ = ["Recurrent", "Rows", "StepGraph", "zeros"]

Array = NDArray[np.generic]


class StepGraph(Protocol):
    """`tokens` (B, T) and the states → `logits` (B, T, V) and the next states."""

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]: ...


class Recurrent:
    """A step graph and what it remembers."""

    def __init__(self, graph: StepGraph, states: Sequence[State]) -> None:
        self.graph = graph
        self.states = tuple(states)

    def run(
        self, tokens_BT: NDArray[np.int64], state: Sequence[Array]
    ) -> tuple[NDArray[np.float32], list[Array]]:
        """Logits about the character after the last (B, V), and the state then."""
        names = (spec.name for spec in self.states)
        outputs = self.graph.run({"tokens": tokens_BT, **dict(zip(names, state, strict=True))})
        logits_BTV = np.asarray(outputs["logits"], np.float32)
        return logits_BTV[:, -1], [outputs[spec.next] for spec in self.states]


def zeros(states: Sequence[State], batch: int) -> list[Array]:
    """The state (L, B, H) before the first character."""
    return [np.zeros((spec.layers, batch, spec.width), np.float32) for spec in states]


class Rows:
    """Streams and their states, in the same order.

    What a run gives is what the next one reads: as long as the same streams go on, no state is
    copied. It is when one joins or leaves.
    """

    def __init__(self, model: Recurrent) -> None:
        self.model = model
        self.streams: list[Stream] = []
        self.choices = Choices(())
        self._state = zeros(model.states, 0)

    def __len__(self) -> int:
        return len(self.streams)

    def start(self, streams: Sequence[Stream]) -> None:
        """Add streams of which nothing has been read yet."""
        self._add(streams, zeros(self.model.states, len(streams)))

    def drop(self, gone: Sequence[bool]) -> None:
        """Forget the rows where `gone` is true."""
        if any(gone):
            self.streams, self._state = self._some(~np.array(gone))
            self._changed()

    def split(self, leaving: Sequence[bool]) -> "Rows":
        """Move the rows where `leaving` is true into others, which are returned."""
        others = Rows(self.model)
        others._add(*self._some(np.array(leaving)))
        self.drop(leaving)
        return others

    def _some(self, chosen: NDArray[np.bool_]) -> tuple[list[Stream], list[Array]]:
        rows = np.flatnonzero(chosen)
        streams = [self.streams[row] for row in rows]
        return streams, [np.take(part, rows, axis=1) for part in self._state]

    def join(self, others: "Rows") -> None:
        """Add the rows of `others`, with their states."""
        self._add(others.streams, others._state)  # noqa: SLF001  # our own kind

    def read(self, count: int) -> int:
        """Read the next `count` characters of every prompt; returns how many the graph read.

        Those that are alike as far as they are read share a row, as the `n` texts of one request
        do, and each goes on with a copy of the state.
        """
        chosen: dict[tuple[int, ...], int] = {}
        row_B = [
            chosen.setdefault(stream.read_after(count), len(chosen)) for stream in self.streams
        ]
        if len(chosen) == len(row_B):
            self.run(count)
            return count * len(row_B)
        firsts = [row_B.index(row) for row in range(len(chosen))]
        tokens_BT = np.stack([stream.feed(count) for stream in self.streams])
        state = [np.take(part, firsts, axis=1) for part in self._state]
        _, after = self.model.run(tokens_BT[firsts], state)
        self._state = [np.take(part, row_B, axis=1) for part in after]
        return count * len(firsts)

    def run(self, count: int, *, padded_to: int | None = None) -> NDArray[np.float32]:
        """Read the next `count` characters of every stream; logits after the last of them (B, V).

        `padded_to` adds rows of nothing up to that many.
        """
        size = len(self.streams)
        tokens_BT = np.zeros((max(size, padded_to or 0), count), np.int64)
        if count == 1:  # the way of every character that is written: no array for each
            tokens_BT[:size, 0] = [stream.feed_one() for stream in self.streams]
        else:
            for row, stream in enumerate(self.streams):
                tokens_BT[row] = stream.feed(count)
        state = self._state
        if len(tokens_BT) > size:
            empty = zeros(self.model.states, len(tokens_BT) - size)
            pairs = zip(state, empty, strict=True)
            state = [np.concatenate(pair, axis=1) for pair in pairs]
        logits_BV, after = self.model.run(tokens_BT, state)
        if len(tokens_BT) > size:
            after = [np.ascontiguousarray(part[:, :size]) for part in after]
        self._state = after
        return logits_BV[:size]

    def _add(self, streams: Sequence[Stream], state: Sequence[Array]) -> None:
        self.streams = [*self.streams, *streams]
        pairs = zip(self._state, state, strict=True)
        self._state = [np.concatenate(pair, axis=1) for pair in pairs]
        self._changed()

    def _changed(self) -> None:
        self.choices = Choices([stream.generation.choice for stream in self.streams])
