"""The classifier that every competitor serves: image bytes → the five most probable labels.

Sessions use one thread and do not spin. The module needs only numpy, onnxruntime and Pillow, so
that it runs in each competitor's environment. `PEER_MODEL` is the model's folder, `PEER_FILE` the
graph in it.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

Prediction = dict[str, object]
"""`label` and `probability`."""


class Classifier:
    """A model in the store."""

    def __init__(self) -> None:
        folder = Path(os.environ["PEER_MODEL"])
        task = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["task"]
        self._size = (task["image"]["width"], task["image"]["height"])
        self._labels: list[str] = task["labels"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = folder / os.environ.get("PEER_FILE", "model.onnx")
        self._session = ort.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, data: bytes) -> list[Prediction]:
        """Return the five likeliest labels, best first."""
        image: Image.Image = Image.open(io.BytesIO(data))
        # A JPEG is decoded at the smallest scale (1, 1/2, 1/4, 1/8) that is not below the model's.
        image.draft("RGB", self._size)
        image = image.convert("RGB")
        if image.size != self._size:
            image = ImageOps.fit(image, self._size, Image.Resampling.BICUBIC)
        (probabilities_BK,) = self._session.run(
            ["probabilities"], {"images": np.asarray(image)[None]}
        )
        best = np.argsort(-probabilities_BK[0])[:5]
        return [
            {"label": self._labels[index], "probability": float(probabilities_BK[0][index])}
            for index in best
        ]
