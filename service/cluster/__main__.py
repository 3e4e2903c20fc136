"""`python -m service.cluster`: put the service onto a Ray cluster, and leave it there."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import ValidationError
from ray import serve
from ray.serve import Application

from models_store.layout import model_names
from service.app import Elsewhere, create_app
from service.cluster.graphs import Handles
from service.cluster.model import Model
from service.cluster.texts import RemoteDecoder
from service.scheduling.admission import Gate
from service.settings import Settings, explain

__all__ = ["APP", "build", "main"]

APP = "deepshelf"
_MANY = 10_000
"""The service bounds what it lets in by itself."""


def build(
    settings: Settings, *, replicas: tuple[int, int] = (1, 4), ingresses: int = 1, cpus: float = 1.0
) -> Application:
    """The service as a Ray Serve application.

    Each model of the store, which every node must find at the same path, gets from `replicas[0]` to
    `replicas[1]` replicas of `cpus` processors, as its load asks for; `ingresses` decode and
    encode.
    """
    names = [
        n for n in model_names(settings.store) if settings.models is None or n in settings.models
    ]
    scaling = {"min_replicas": replicas[0], "max_replicas": replicas[1]}
    models = [
        serve.deployment(
            Model,
            name=_deployment(name),
            max_ongoing_requests=settings.text_streams,
            # Two runs: one computes, one waits. Texts share runs, and so leave room for far more.
            autoscaling_config={**scaling, "target_ongoing_requests": 2},
            ray_actor_options={"num_cpus": cpus},
        ).bind(settings.store, name, settings.text_streams, settings.deadline_s)
        for name in names
    ]

    def application() -> FastAPI:
        handles = {
            name: serve.get_deployment_handle(_deployment(name), app_name=APP) for name in names
        }
        return create_app(settings, elsewhere=Elsewhere(Handles(handles).open, _decoder))

    ingress: Any = serve.deployment(
        serve.ingress(application)(),
        name="ingress",
        num_replicas=ingresses,
        max_ongoing_requests=_MANY,
        ray_actor_options={"num_cpus": cpus},
    )
    bound: Application = ingress.bind(*models)
    return bound


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy and return; the cluster goes on serving. 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m service.cluster",
        description="Serve the shelf from a Ray cluster. Settings are those of python -m service, "
        "from the environment.",
    )
    parser.add_argument("--address", help="of the cluster; the one on this machine when left out")
    parser.add_argument("--min-replicas", type=int, default=1, help="of each model")
    parser.add_argument("--max-replicas", type=int, default=4, help="of each model")
    parser.add_argument("--ingresses", type=int, default=1, help="that decode and encode")
    parser.add_argument("--cpus", type=float, default=1.0, help="processors of each of all these")
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"error: {explain(error)}\n")
        return 2
    settings = settings.model_copy(update={"store": Path(settings.store).resolve()})
    ray.init(address=options.address or "auto")
    serve.start(
        proxy_location="EveryNode", http_options={"host": settings.host, "port": settings.port}
    )
    application = build(
        settings,
        replicas=(options.min_replicas, options.max_replicas),
        ingresses=options.ingresses,
        cpus=options.cpus,
    )
    serve.run(application, name=APP)
    return 0


def _deployment(name: str) -> str:
    return f"model-{name}"


def _decoder(gate: Gate, streams: int) -> RemoteDecoder:
    return RemoteDecoder(gate, streams)


if __name__ == "__main__":
    sys.exit(main())
