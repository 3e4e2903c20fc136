r"""A service written by hand: FastAPI and onnxruntime, one classifier, one route.

    PEER_MODEL=models_store/resnet-cifar10/2 \
        uvicorn benchmarks.competitors.handwritten:app --workers 2

Written as well as a careful person would: the image decoded and the graph run off the event loop.
It has no limits, deadlines, admission, metrics or error pages.
"""

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from benchmarks.competitors.classifier import Classifier, Prediction

app = FastAPI()
_classify = Classifier()


@app.get("/readyz")
def ready() -> dict[str, bool]:
    """Respond once the model is loaded."""
    return {"ready": True}


@app.post("/v1/classify")
async def classify(request: Request) -> dict[str, list[Prediction]]:
    """Return the five likeliest labels of the image in the body."""
    return {"predictions": await run_in_threadpool(_classify, await request.body())}
