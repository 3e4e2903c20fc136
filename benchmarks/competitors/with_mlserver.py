"""MLServer with a runtime of one's own, as its documentation shows.

python -m benchmarks.competitors.with_mlserver PORT WORKERS FOLDER

It speaks the Open Inference Protocol alone, so a image comes as base64 within JSON.
"""

import base64
import json
import sys
from pathlib import Path

from mlserver import MLModel  # type: ignore[import-not-found]  # of another environment
from mlserver.cli import main  # type: ignore[import-not-found]
from mlserver.codecs import StringCodec  # type: ignore[import-not-found]
from mlserver.types import (  # type: ignore[import-not-found]
    InferenceRequest,
    InferenceResponse,
)

from benchmarks.competitors.classifier import Classifier


class Runtime(MLModel):  # type: ignore[misc]  # of another environment
    """Takes `image`, gives `predictions`, JSON in both."""

    async def load(self) -> bool:
        self._classify = Classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (text,) = StringCodec.decode_input(payload.inputs[0])
        predictions = json.dumps(self._classify(base64.b64decode(text)))
        return InferenceResponse(
            model_name=self.name, outputs=[StringCodec.encode_output("predictions", [predictions])]
        )


def _configure(folder: Path, port: int, workers: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    server = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_endpoint": None,
        "parallel_workers": workers,
    }
    model = {"name": "classifier", "implementation": "benchmarks.competitors.with_mlserver.Runtime"}
    (folder / "settings.json").write_text(json.dumps(server), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")


if __name__ == "__main__":
    _configure(Path(sys.argv[3]), int(sys.argv[1]), int(sys.argv[2]))
    sys.argv = ["mlserver", "start", sys.argv[3]]
    main()
