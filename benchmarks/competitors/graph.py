"""The graph that competitors with dynamic batching serve: rows in, rows out.

`PEER_MODEL` is the model's folder. The module needs only numpy and onnxruntime.
"""

import os
from pathlib import Path
from typing import Any

import onnxruntime as ort

MAX_BATCH_SIZE = int(os.environ.get("PEER_MAX_BATCH_SIZE", "8"))
MAX_WAIT_MS = float(os.environ.get("PEER_MAX_WAIT_MS", "2"))


class RowGraph:
    """A graph with one input and one output, which runs on one thread."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = Path(os.environ["PEER_MODEL"]) / "model.onnx"
        self._session = ort.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        (spec,) = self._session.get_inputs()
        self._input_name = spec.name
        self.dtype = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}[spec.type]

    def __call__(self, rows: Any) -> Any:  # arrays of another environment
        """Return the outputs of the rows."""
        return self._session.run(None, {self._input_name: rows.astype(self.dtype)})[0]
