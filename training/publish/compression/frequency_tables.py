"""Frequencies of latents in the training data, as the whole numbers that a code is made with.

Shapes: N pictures, D latent dimensions, h and w their places.
"""

import numpy as np
from numpy.typing import NDArray

from models_store.compression.factorized import FrequencyTable, FrequencyTables
from models_store.compression.range_coder import PRECISION_BITS

__all__ = ["build_frequency_tables", "scale_counts"]


def build_frequency_tables(latents_NDhw: NDArray[np.int16]) -> FrequencyTables:
    """A table for each dimension, over all values that it has in the data, and an escape."""
    by_dimension = latents_NDhw.astype(np.int64).swapaxes(0, 1)
    return FrequencyTables(tables=tuple(_build_table(values.ravel()) for values in by_dimension))


def _build_table(values: NDArray[np.int64]) -> FrequencyTable:
    lowest = int(values.min())
    # The escape counts as one more value, which never came.
    counts = np.bincount(values - lowest, minlength=int(values.max()) - lowest + 1).tolist()
    return FrequencyTable(lowest=lowest, frequencies=scale_counts([*counts, 0]))


def scale_counts(counts: list[int]) -> tuple[int, ...]:
    """Counts as shares of 2^16, at least 1 each: what has not come in training may come later."""
    total, spare = sum(counts), (1 << PRECISION_BITS) - len(counts)
    shares = [1 + count * spare // total for count in counts]
    # What rounding down left over goes to the most frequent, where it changes the least.
    shares[counts.index(max(counts))] += (1 << PRECISION_BITS) - sum(shares)
    return tuple(shares)
