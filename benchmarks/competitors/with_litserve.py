"""LitServe, as its documentation shows.

    python -m benchmarks.competitors.with_litserve PORT WORKERS

It takes JSON or forms, so a image comes as base64 within JSON.
"""

import base64
import sys
from typing import Any

import litserve  # type: ignore[import-not-found]  # of another environment

from benchmarks.competitors.classifier import Classifier, Prediction


class Api(litserve.LitAPI):  # type: ignore[misc]  # of another environment
    """Decodes an image, runs the model and returns the probabilities."""

    def setup(self, device: str) -> None:
        del device
        self.classify = Classifier()

    def decode_request(self, request: dict[str, str]) -> bytes:
        return base64.b64decode(request["image"])

    def predict(self, data: bytes) -> list[Prediction]:
        return self.classify(data)

    def encode_response(self, predictions: list[Prediction]) -> dict[str, Any]:
        return {"predictions": predictions}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(api_path="/v1/classify"), accelerator="cpu", workers_per_device=int(sys.argv[2])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
