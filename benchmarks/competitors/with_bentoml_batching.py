"""BentoML with adaptive batching, as its documentation shows.

python -m bentoml serve benchmarks.competitors.with_bentoml_batching:Service --port PORT
"""

import os

import bentoml  # type: ignore[import-not-found]  # of another environment
import numpy as np

from benchmarks.competitors.graph import MAX_BATCH_SIZE, RowGraph


@bentoml.service(workers=int(os.environ.get("PEER_WORKERS", "2")))
class Service:
    """Its batches wait for as long as it estimates to be best, 10 s at most."""

    def __init__(self) -> None:
        self._graph = RowGraph()

    @bentoml.api(  # type: ignore[untyped-decorator]
        route="/predict", batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=10_000
    )
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of the rows."""
        outputs: np.ndarray = self._graph(x)
        return outputs
