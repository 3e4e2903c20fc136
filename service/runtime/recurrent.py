"""Recurrent graphs, prepared for batches of texts when a model is loaded.

Shapes: B texts, T time, L layers, H width, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models_store.tasks import RecurrentState

_SEQUENCE_LENGTH = 3
_BATCH_SIZES = (2, 3, 4, 5, 7, 8, 13, 16, 24, 31)
"""Matrix kernels process powers of two rows at a time, and the remainder by other code."""

Array = NDArray[np.generic]


class StepGraph(Protocol):
    """`tokens` (B, T) and the states → `logits` (B, T, V) and the next states."""

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]: ...


class RecurrentModel:
    """A step graph with its states."""

    def __init__(
        self, graph: StepGraph, states: Sequence[RecurrentState], *, batch_invariant: bool = True
    ) -> None:
        """`batch_invariant` is the result of `is_batch_invariant`."""
        self.graph = graph
        self.states = tuple(states)
        self.batch_invariant = batch_invariant

    def run(
        self, tokens_BT: NDArray[np.int64], state: Sequence[Array]
    ) -> tuple[NDArray[np.float32], list[Array]]:
        """Return the logits of the character after the last (B, V), and the state after it."""
        names = (spec.name for spec in self.states)
        outputs = self.graph.run({"tokens": tokens_BT, **dict(zip(names, state, strict=True))})
        logits_BTV = np.asarray(outputs["logits"], np.float32)
        return logits_BTV[:, -1], [outputs[spec.next] for spec in self.states]


def initial_state(states: Sequence[RecurrentState], batch: int) -> list[Array]:
    """Return the states (L, B, H) before the first character."""
    return [np.zeros((spec.layers, batch, spec.width), np.float32) for spec in states]


def is_batch_invariant(
    graph: StepGraph, states: Sequence[RecurrentState], max_batch_size: int
) -> bool:
    """Return whether rows of runs of up to `max_batch_size` have the bits that each has alone.

    A matrix product may choose the order of its additions by the number of rows. The same text with
    the same seed could then differ where two characters are almost equally likely. Whether it does
    depends on the processor and the version of onnxruntime, so it is measured where the graph runs.
    """
    model = RecurrentModel(graph, states)
    random = np.random.default_rng(0)
    tokens_BT = random.integers(0, 2, (max_batch_size, _SEQUENCE_LENGTH))
    state = [
        (0.5 * random.standard_normal((spec.layers, max_batch_size, spec.width))).astype(np.float32)
        for spec in model.states
    ]
    steps = [slice(step, step + 1) for step in range(_SEQUENCE_LENGTH)]

    def run_rows(rows: slice, times: Sequence[slice]) -> list[Array]:
        """Return logits and states of `rows` after a run for each of `times`; axis -2 is B."""
        part: list[Array] = [np.ascontiguousarray(tensor[:, rows]) for tensor in state]
        for time in times:
            logits_BV, part = model.run(np.ascontiguousarray(tokens_BT[rows, time]), part)
        return [logits_BV, *part]

    alone = [run_rows(slice(row, row + 1), steps[:1]) for row in range(max_batch_size)]
    for size in {min(size, max_batch_size) for size in (*_BATCH_SIZES, max_batch_size)}:
        batch = run_rows(slice(0, size), steps[:1])
        if not all(_rows_equal(alone[row], 0, batch, row) for row in range(size)):
            return False
    pair = slice(0, min(2, max_batch_size))
    stepwise, at_once = run_rows(pair, steps), run_rows(pair, [slice(0, _SEQUENCE_LENGTH)])
    return all(_rows_equal(stepwise, row, at_once, row) for row in range(pair.stop))


def _rows_equal(first: list[Array], row: int, second: list[Array], other: int) -> bool:
    return all(
        np.array_equal(a[..., row, :], b[..., other, :]) for a, b in zip(first, second, strict=True)
    )
