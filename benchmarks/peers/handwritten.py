"""What one writes by hand: FastAPI and onnxruntime, one classifier, one route.

    PEER_MODEL=models_store/resnet-cifar10/1 uvicorn benchmarks.peers.handwritten:app --workers 2

Written as well as a careful person would: sessions of one thread for each worker, no spinning, the
picture decoded and the graph run off the event loop, the pictures prepared as the model wants them.
It has no limits, deadlines, admission, metrics or error pages.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image, ImageOps

__all__ = ["app"]

_FOLDER = Path(os.environ["PEER_MODEL"])
_FILE = os.environ.get("PEER_FILE", "model.onnx")
_TASK = json.loads((_FOLDER / "manifest.json").read_text(encoding="utf-8"))["task"]
_SIZE = (_TASK["image"]["width"], _TASK["image"]["height"])


def _session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(_FOLDER / _FILE), options, providers=["CPUExecutionProvider"])


app = FastAPI()
_model = _session()


@app.get("/readyz")
def ready() -> dict[str, bool]:
    """Whether it can be asked."""
    return {"ready": True}


@app.post("/v1/classify")
async def classify(request: Request) -> dict[str, list[dict[str, object]]]:
    """The five likeliest labels of the picture that is the body."""
    return await run_in_threadpool(_classify, await request.body())


def _classify(data: bytes) -> dict[str, list[dict[str, object]]]:
    image: Image.Image = Image.open(io.BytesIO(data)).convert("RGB")
    if image.size != _SIZE:
        image = ImageOps.fit(image, _SIZE, Image.Resampling.BICUBIC)
    (probabilities_BK,) = _model.run(["probabilities"], {"images": np.asarray(image)[None]})
    best = np.argsort(-probabilities_BK[0])[:5]
    return {
        "predictions": [
            {"label": _TASK["labels"][index], "probability": float(probabilities_BK[0][index])}
            for index in best
        ]
    }
