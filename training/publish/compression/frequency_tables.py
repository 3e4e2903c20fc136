"""Integer frequencies of latents in the training data, for entropy coding.

Shapes: N images, D latent dimensions of h × w positions.
"""

import numpy as np
from numpy.typing import NDArray

from models_store.compression.factorized import FrequencyTable, FrequencyTables
from models_store.compression.range_coder import PRECISION_BITS


def build_frequency_tables(latents_NDhw: NDArray[np.int16]) -> FrequencyTables:
    """Build a table for each dimension, over all its values in the data, and an escape."""
    by_dimension = latents_NDhw.astype(np.int64).swapaxes(0, 1)
    return FrequencyTables(tables=tuple(_build_table(values.ravel()) for values in by_dimension))


def _build_table(values: NDArray[np.int64]) -> FrequencyTable:
    lowest = int(values.min())
    # The escape is one more value, with a count of zero.
    counts = np.bincount(values - lowest, minlength=int(values.max()) - lowest + 1).tolist()
    return FrequencyTable(lowest=lowest, frequencies=scale_counts([*counts, 0]))


def scale_counts(counts: list[int]) -> tuple[int, ...]:
    """Scale counts to a sum of 2^16, each at least 1, because unseen values may occur later."""
    total, spare = sum(counts), (1 << PRECISION_BITS) - len(counts)
    shares = [1 + count * spare // total for count in counts]
    # The remainder goes to the most frequent value, where it changes the least.
    shares[counts.index(max(counts))] += (1 << PRECISION_BITS) - sum(shares)
    return tuple(shares)
