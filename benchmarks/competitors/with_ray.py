"""Ray Serve, as its documentation shows.

python -m benchmarks.competitors.with_ray PORT WORKERS
"""

import signal
import sys
from threading import Event

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.competitors.classifier import Classifier, Prediction


class Ingress:
    """A replica that computes in its request handler, which suits one core per replica."""

    def __init__(self) -> None:
        self._classify = Classifier()

    async def __call__(self, request: Request) -> dict[str, list[Prediction]]:
        return {"predictions": self._classify(await request.body())}


if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    ray.init(address="local", num_cpus=workers, include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(
        serve.deployment(Ingress, num_replicas=workers).bind(),
        route_prefix="/v1/classify",
    )
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()
