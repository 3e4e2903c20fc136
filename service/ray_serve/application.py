"""The service as a Ray Serve application: an ingress, and a deployment for each model."""

from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from models_store.layout import list_model_names
from service.app import ExecutionBackend, create_app
from service.ray_serve.remote_graph import RemoteGraphLoader
from service.ray_serve.remote_scheduler import RemoteGenerationScheduler
from service.ray_serve.replica import ModelReplica
from service.settings import Settings

APP_NAME = "deepshelf"
_UNBOUNDED_REQUESTS = 10_000
"""Admission control of the service limits requests; Ray must not."""


def build_application(
    settings: Settings, *, replicas: tuple[int, int] = (1, 4), ingresses: int = 1, cpus: float = 1.0
) -> Application:
    """Return the service as a Ray Serve application.

    Each model of the store, which every node must have at the same path, gets from `replicas[0]`
    to `replicas[1]` replicas of `cpus` CPUs, depending on its load; `ingresses` processes decode
    and encode.
    """
    names = [
        n
        for n in list_model_names(settings.store)
        if settings.models is None or n in settings.models
    ]
    scaling = {"min_replicas": replicas[0], "max_replicas": replicas[1]}
    models = [
        serve.deployment(
            ModelReplica,
            name=_deployment_name(name),
            max_ongoing_requests=settings.max_concurrent_generations,
            # One request runs and one waits. Texts share runs, so a replica can take far more.
            autoscaling_config={**scaling, "target_ongoing_requests": 2},
            ray_actor_options={"num_cpus": cpus},
        ).bind(settings, name)
        for name in names
    ]

    def application() -> FastAPI:
        handles = {
            name: serve.get_deployment_handle(_deployment_name(name), app_name=APP_NAME)
            for name in names
        }
        # Ray sends requests to an ingress as soon as it has begun, ready or not.
        loaded = settings.model_copy(update={"load_before_listen": True})
        backend = ExecutionBackend(
            RemoteGraphLoader(handles).load,
            lambda admission, max_streams, _: RemoteGenerationScheduler(admission, max_streams),
        )
        return create_app(loaded, backend=backend)

    ingress: Any = serve.deployment(
        serve.ingress(application)(),
        name="ingress",
        num_replicas=ingresses,
        max_ongoing_requests=_UNBOUNDED_REQUESTS,
        ray_actor_options={"num_cpus": cpus},
    )
    application_graph: Application = ingress.bind(*models)
    return application_graph


def deploy_application(settings: Settings, address: str, application: Application) -> None:
    """Deploy it on the cluster at `address`, with a proxy on each node, and return."""
    ray.init(address=address)
    serve.start(
        proxy_location="EveryNode", http_options={"host": settings.host, "port": settings.port}
    )
    serve.run(application, name=APP_NAME)


def _deployment_name(name: str) -> str:
    return f"model-{name}"
