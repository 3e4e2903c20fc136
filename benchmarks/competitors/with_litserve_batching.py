"""A LitServe server with batching, written as its documentation shows.

python -m benchmarks.competitors.with_litserve_batching PORT WORKERS
"""

import sys
from typing import Any

import litserve  # type: ignore[import-not-found]  # installed in another environment
import numpy as np

from benchmarks.competitors.graph import MAX_BATCH_SIZE, MAX_WAIT_MS, RowGraph


class Api(litserve.LitAPI):  # type: ignore[misc]  # installed in another environment
    """Takes one row per request; LitServe stacks waiting rows."""

    def setup(self, device: str) -> None:
        del device
        self.graph = RowGraph()

    def decode_request(self, request: dict[str, Any]) -> Any:
        return np.array(request["x"], self.graph.dtype)

    def predict(self, rows: Any) -> Any:
        return self.graph(rows)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"y": output.tolist()}


if __name__ == "__main__":
    api = Api(api_path="/predict", max_batch_size=MAX_BATCH_SIZE, batch_timeout=MAX_WAIT_MS / 1000)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
