"""The batch of texts that share the runs of a graph, as arrays with a row for each text.

Shapes: B texts, T time, L layers, H width, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.runtime.recurrent import RecurrentModel, initial_state
from service.scheduling.generation_stream import GenerationStream
from service.scheduling.sampling import BatchSampler

Array = NDArray[np.generic]


class BatchState:
    """Streams and their states, in the same order.

    The states that a run returns are the inputs of the next one, without a copy unless a stream
    joins or leaves.
    """

    def __init__(self, model: RecurrentModel) -> None:
        self.model = model
        self.streams: list[GenerationStream] = []
        self.sampler = BatchSampler(())
        self._state = initial_state(model.states, 0)

    def __len__(self) -> int:
        return len(self.streams)

    def add_streams(self, streams: Sequence[GenerationStream]) -> None:
        """Add streams whose prompts have not been read yet."""
        self._add(streams, initial_state(self.model.states, len(streams)))

    def remove(self, removed: Sequence[bool]) -> None:
        """Remove the rows where `removed` is true."""
        if any(removed):
            self.streams, self._state = self._select(~np.array(removed))
            self._rebuild_sampler()

    def split(self, selected: Sequence[bool]) -> "BatchState":
        """Remove the rows where `selected` is true, and return them as a new batch."""
        moved = BatchState(self.model)
        moved._add(*self._select(np.array(selected)))
        self.remove(selected)
        return moved

    def _select(self, selected: NDArray[np.bool_]) -> tuple[list[GenerationStream], list[Array]]:
        rows = np.flatnonzero(selected)
        streams = [self.streams[row] for row in rows]
        return streams, [np.take(part, rows, axis=1) for part in self._state]

    def merge(self, other: "BatchState") -> None:
        """Add the rows of `other`, with their states."""
        self._add(other.streams, other._state)  # noqa: SLF001  # our own kind

    def prefill(self, count: int) -> int:
        """Read the next `count` characters of every prompt; return how many the graph read.

        Prompts that are equal up to there share a row, as the `n` texts of one request do; each
        text continues with a copy of the state.
        """
        row_of_prefix: dict[tuple[int, ...], int] = {}
        row_B = [
            row_of_prefix.setdefault(stream.prefix_after(count), len(row_of_prefix))
            for stream in self.streams
        ]
        if len(row_of_prefix) == len(row_B):
            self.step(count)
            return count * len(row_B)
        first_rows = [row_B.index(row) for row in range(len(row_of_prefix))]
        tokens_BT = np.stack([stream.next_tokens(count) for stream in self.streams])
        state = [np.take(part, first_rows, axis=1) for part in self._state]
        _, next_state = self.model.run(tokens_BT[first_rows], state)
        self._state = [np.take(part, row_B, axis=1) for part in next_state]
        return count * len(first_rows)

    def step(self, count: int, *, padded_batch_size: int | None = None) -> NDArray[np.float32]:
        """Read the next `count` characters of every stream; return the logits after them (B, V).

        `padded_batch_size` pads the batch with empty rows to that size.
        """
        size = len(self.streams)
        tokens_BT = np.zeros((max(size, padded_batch_size or 0), count), np.int64)
        if count == 1:  # every generated character passes here: avoid an array for each stream
            tokens_BT[:size, 0] = [stream.next_token() for stream in self.streams]
        else:
            for row, stream in enumerate(self.streams):
                tokens_BT[row] = stream.next_tokens(count)
        state = self._state
        if len(tokens_BT) > size:
            padding = initial_state(self.model.states, len(tokens_BT) - size)
            pairs = zip(state, padding, strict=True)
            state = [np.concatenate(pair, axis=1) for pair in pairs]
        logits_BV, next_state = self.model.run(tokens_BT, state)
        if len(tokens_BT) > size:
            next_state = [np.ascontiguousarray(part[:, :size]) for part in next_state]
        self._state = next_state
        return logits_BV[:size]

    def _add(self, streams: Sequence[GenerationStream], state: Sequence[Array]) -> None:
        self.streams = [*self.streams, *streams]
        pairs = zip(self._state, state, strict=True)
        self._state = [np.concatenate(pair, axis=1) for pair in pairs]
        self._rebuild_sampler()

    def _rebuild_sampler(self) -> None:
        self.sampler = BatchSampler([stream.request.sampling for stream in self.streams])
