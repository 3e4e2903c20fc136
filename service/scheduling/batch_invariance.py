"""Does a row of a run depend, to the last bit, on the rows beside it or on the run's length?

It should not: each row is a product of its own. But a matrix product may choose its order of
additions by the number of rows, and then the same text, with the same seed, could turn at a
character where two are all but equally likely. Which is so differs between processors and versions
of onnxruntime, so it is measured where it matters.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.scheduling.batch_state import RecurrentModel

__all__ = ["is_batch_invariant"]

_SEQUENCE_LENGTH = 3
_BATCH_SIZES = (2, 3, 4, 5, 7, 8, 13, 16, 24, 31)
"""Kernels work on some rows at a time, powers of two and what is left over."""

Array = NDArray[np.generic]


def is_batch_invariant(model: RecurrentModel, max_batch: int) -> bool:
    """True when rows of runs of up to `max_batch` give the bits that each gives alone."""
    random = np.random.default_rng(0)
    tokens_BT = random.integers(0, 2, (max_batch, _SEQUENCE_LENGTH))
    state = [
        (0.5 * random.standard_normal((spec.layers, max_batch, spec.width))).astype(np.float32)
        for spec in model.states
    ]
    steps = [slice(step, step + 1) for step in range(_SEQUENCE_LENGTH)]

    def run_rows(rows: slice, times: Sequence[slice]) -> list[Array]:
        """Logits and state of some rows after runs over some times; axis -2 is the batch."""
        part: list[Array] = [np.ascontiguousarray(tensor[:, rows]) for tensor in state]
        for time in times:
            logits_BV, part = model.run(np.ascontiguousarray(tokens_BT[rows, time]), part)
        return [logits_BV, *part]

    single_row_outputs = [run_rows(slice(row, row + 1), steps[:1]) for row in range(max_batch)]
    for size in {min(size, max_batch) for size in (*_BATCH_SIZES, max_batch)}:
        batch_outputs = run_rows(slice(0, size), steps[:1])
        if not all(
            _rows_equal(single_row_outputs[row], 0, batch_outputs, row) for row in range(size)
        ):
            return False
    stepwise_outputs, sequence_outputs = (
        run_rows(slice(0, 2), steps),
        run_rows(slice(0, 2), [slice(0, _SEQUENCE_LENGTH)]),
    )
    return all(
        _rows_equal(stepwise_outputs, row, sequence_outputs, row)
        for row in range(min(2, max_batch))
    )


def _rows_equal(first: list[Array], row: int, second: list[Array], other: int) -> bool:
    return all(
        np.array_equal(one[..., row, :], two[..., other, :])
        for one, two in zip(first, second, strict=True)
    )
