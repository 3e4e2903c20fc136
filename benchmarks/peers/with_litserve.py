"""LitServe, serving the model as its documentation shows: `with_litserve.py PORT WORKERS`.

Runs in an environment of its own (`python -m benchmarks serve --peer litserve` makes it), so it
imports nothing of ours.
"""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import litserve  # type: ignore[import-not-found]  # of another environment
import numpy as np
import onnxruntime as ort
from fastapi import Request
from PIL import Image, ImageOps

_FOLDER = Path(os.environ["PEER_MODEL"])


class Classifier(litserve.LitAPI):  # type: ignore[misc]  # of another environment
    """Decode, run, encode."""

    def setup(self, _: str) -> None:
        task = json.loads((_FOLDER / "manifest.json").read_text(encoding="utf-8"))["task"]
        self.size = (task["image"]["width"], task["image"]["height"])
        self.labels: list[str] = task["labels"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.model = ort.InferenceSession(
            str(_FOLDER / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    async def decode_request(self, request: Request) -> Any:
        image: Image.Image = Image.open(io.BytesIO(await request.body())).convert("RGB")
        if image.size != self.size:
            image = ImageOps.fit(image, self.size, Image.Resampling.BICUBIC)
        return np.asarray(image)[None]

    def predict(self, images_BHWC: Any) -> Any:
        return self.model.run(["probabilities"], {"images": images_BHWC})[0][0]

    def encode_response(self, probabilities_K: Any) -> dict[str, Any]:
        best = np.argsort(-probabilities_K)[:5]
        return {
            "predictions": [
                {"label": self.labels[index], "probability": float(probabilities_K[index])}
                for index in best
            ]
        }


if __name__ == "__main__":
    server = litserve.LitServer(
        Classifier(api_path="/v1/classify"), accelerator="cpu", workers_per_device=int(sys.argv[2])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
