"""Text generation written by hand: one run of the step graph per character and request.

PEER_MODEL=models_store/charnn-shakespeare/2 uvicorn benchmarks.competitors.stepwise:app --workers 2
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

_FOLDER = Path(os.environ["PEER_MODEL"])
_TASK = json.loads((_FOLDER / "manifest.json").read_text(encoding="utf-8"))["task"]
_VOCABULARY: str = _TASK["vocabulary"]


def _session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        str(_FOLDER / "step.onnx"), options, providers=["CPUExecutionProvider"]
    )


app = FastAPI()
_model = _session()


@app.get("/readyz")
def ready() -> dict[str, bool]:
    """Respond once the model is loaded."""
    return {"ready": True}


@app.post("/v1/text")
async def text(request: Request) -> StreamingResponse:
    """Send one server-sent event per character, generated on a thread."""
    params = await request.json()
    characters = _generate(
        params["prompt"], params["max_chars"], params["temperature"], params["seed"]
    )
    return StreamingResponse(characters, media_type="text/event-stream")


def _generate(prompt: str, count: int, temperature: float, seed: int) -> Iterator[str]:
    random = np.random.default_rng(seed)
    tokens = [_VOCABULARY.index(character) for character in _TASK["start"] + prompt]
    states = {
        state["name"]: np.zeros((state["layers"], 1, state["width"]), np.float32)
        for state in _TASK["states"]
    }
    for _ in range(count):
        logits_BTV, *after = _model.run(None, {"tokens": np.array([tokens]), **states})
        states = dict(zip(states, after, strict=True))
        logits = logits_BTV[0, -1].astype(np.float64) / temperature
        weights = np.exp(logits - logits.max())
        tokens = [int(random.choice(len(weights), p=weights / weights.sum()))]
        yield f"data: {json.dumps({'text': _VOCABULARY[tokens[0]]})}\n\n"
    yield "data: [DONE]\n\n"
