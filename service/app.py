"""The application: `create_app(settings)` puts the parts together, the lifespan runs them."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.auth.key_reloader import LiveKeys
from service.auth.rate_limit import Rates
from service.codecs.images import Limits
from service.middleware.authentication import Guard, document_keys
from service.middleware.body_limit import Holding
from service.middleware.request_log import Observer, Telemetry
from service.middleware.security_headers import ProtectiveHeaders
from service.observability.metrics.recorder import Recorder
from service.observability.shared_dir import shared_folder
from service.observability.tracing import exporting_to
from service.routes.http.direct_route import Express
from service.routes.http.problems import HANDLED, handle
from service.routes.openapi import describe
from service.routes.ops import docs, health, metrics, playground
from service.routes.protocols import PROTOCOLS
from service.routes.v1 import classify, compress, denoise, faces, handwriting, layers, models, text
from service.runtime.cpu_limits import available_cores, plan
from service.runtime.inspection import Inspector
from service.runtime.loaded_model import OpenGraph, open_session
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import Decoder
from service.scheduling.pool import Pool
from service.server.load_shedding import Door
from service.server.workers.preload import registry_of
from service.settings import Settings
from service.state import Running

__all__ = ["Elsewhere", "create_app"]

_log = logging.getLogger(__name__)

_SWITCH_S = 0.0001
"""So long does a thread that computes wait at most until the event loop, busy with a crowd, lets it
have the interpreter. It is 5 ms unless set."""

_DESCRIPTION = """Small deep networks, trained offline, over REST.

Pictures come in as a form or as the whole body. Task endpoints need no `model`: each task has a
default, and the answer names what answered. Every error is `application/problem+json` (RFC 9457),
says what was wrong, what came and what is accepted, and carries the request's id.
"""


_CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST"),
    "allow_headers": (
        "Authorization", "Content-Type", "Inference-Header-Content-Length", "X-API-Key",
        "X-Request-ID",
    ),
    "expose_headers": (
        "Inference-Header-Content-Length", "Retry-After", "X-DeepShelf-Model",
        "X-DeepShelf-PSNR-dB", "X-DeepShelf-SSIM", "X-DeepShelf-Version", "X-Request-ID",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Elsewhere:
    """Where graphs run and texts are written: here, unless somebody says otherwise."""

    open_graph: OpenGraph = open_session
    decoder: Callable[[AdmissionController, int], Decoder] = Decoder
    """From a gate and the number of texts at the same time."""
    registry: Registry | None = None
    """What another process has loaded already, before it forked this one."""


_HERE = Elsewhere()


class _App(FastAPI):
    """FastAPI with our document."""

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            document = describe(self)
            document_keys(document, needed=self.state.running.keys.needed)
            self.openapi_schema = document
        return self.openapi_schema


def create_app(
    settings: Settings | None = None,
    *,
    observers: Sequence[Observer] = (),
    elsewhere: Elsewhere = _HERE,
) -> FastAPI:
    """An application of its own state. Without `settings`, from the environment.

    `observers` are told of every request that is over, beside those that the settings ask for.
    Uvicorn calls it in every worker. Nothing is loaded before the lifespan starts.
    """
    settings = settings or Settings()
    running = _assemble(settings, elsewhere)
    app = _App(
        title="deepshelf",
        version=_version(),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        # Of requests we tell ourselves; FastAPI's own would look at the environment at each.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        openapi_tags=[
            {"name": "pictures", "description": "Pictures in; labels, pictures or codes out"},
            {"name": "faces", "description": "Pictures out of nothing but a seed"},
            {"name": "text", "description": "A beginning in, its continuation out"},
            {"name": "open inference protocol", "description": "For KServe and Triton clients"},
            {"name": "openai", "description": "Texts for OpenAI's client"},
            {"name": "models", "description": "What is on the shelf"},
            {"name": "health", "description": "Probes and metrics"},
        ],
    )
    # Not an argument, because FastAPI wants the server to say it, and a plain uvicorn does not.
    app.root_path = settings.root_path
    app.state.running = running
    parts = (
        classify,
        denoise,
        compress,
        faces,
        text,
        handwriting,
        models,
        layers,
        health,
        metrics,
        playground,
        docs,
    )
    routers = [*(part.router for part in parts), *PROTOCOLS]
    for router in routers:
        app.include_router(router)
    playground.mount_page(app)
    docs.mount_docs_assets(app)
    for kind in HANDLED:
        app.add_exception_handler(kind, handle)
    own: list[Observer] = [running.recorder.request]
    if running.tracing:
        own.append(running.tracing)
    # From the innermost out: what the guard refuses is still counted, and all have the headers.
    app.add_middleware(Express, routers=routers)
    app.add_middleware(
        Holding,
        limit=settings.max_held_bytes,
        largest=settings.max_body_bytes,
        arrival_s=settings.body_s,
    )
    app.add_middleware(Guard, keys=running.keys, settings=settings)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **_CORS)
    app.add_middleware(Telemetry, observers=(*own, *observers))
    app.add_middleware(ProtectiveHeaders, shared=bool(settings.cors_origins))
    return app


def _assemble(settings: Settings, elsewhere: Elsewhere) -> Running:
    threads = plan(available_cores(), settings.workers, settings.threads).threads
    gate = AdmissionController(
        running=threads, waiting=settings.queue_size, deadline_s=settings.deadline_s
    )
    registry = elsewhere.registry or registry_of(settings, threads, elsewhere.open_graph)
    limits = Limits(max_pixels=settings.max_pixels)
    decoder = _decoder(settings, elsewhere)
    recorder = Recorder(registry, {"pictures": gate, "texts": decoder.gate}, decoder)
    tracing = exporting_to(settings.otlp_endpoint) if settings.otlp_endpoint else None
    pool = Pool(gate, threads)
    return Running(
        settings=settings,
        registry=registry,
        pool=pool,
        limits=limits,
        decoder=decoder,
        recorder=recorder,
        inspector=Inspector(settings.store),
        keys=LiveKeys(settings),
        rates=Rates(settings.shared_dir),
        tracing=tracing,
        threads=threads,
    )


def _decoder(settings: Settings, elsewhere: Elsewhere) -> Decoder:
    streams = settings.text_streams
    # A gate of its own: texts wait for a place in the batch, not for a thread.
    gate = AdmissionController(
        running=streams, waiting=settings.queue_size, deadline_s=settings.deadline_s
    )
    return elsewhere.decoder(gate, streams)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
    running: Running = app.state.running
    sys.setswitchinterval(_SWITCH_S)
    if running.settings.load_first:
        await _refresh(running.registry)
    # Beside serving, not before it: probes and the models that are ready already answer meanwhile.
    keepers = [
        asyncio.create_task(_keep_fresh(running.registry, running.settings.reload_s)),
        asyncio.create_task(running.keys.keep_fresh()),
    ]
    folder = shared_folder(running.settings.shared_dir)
    if folder is not None:
        keepers.append(asyncio.create_task(running.recorder.keep_sharing(folder)))
    try:
        # For connections, see there.
        yield {"cut_off": running.recorder.cut_off, "door": Door(running)}
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.to_thread(running.decoder.close)
        await asyncio.to_thread(running.pool.close)
        running.rates.close()
        if running.tracing:
            await asyncio.to_thread(running.tracing.close)


async def _keep_fresh(registry: Registry, every_s: float) -> None:
    """Load the shelf, then follow it."""
    while True:
        await _refresh(registry)
        if not every_s:
            return
        await asyncio.sleep(every_s)


async def _refresh(registry: Registry) -> None:
    try:
        await asyncio.to_thread(registry.refresh)
    except Exception:  # noqa: BLE001  # the next look may succeed; a dead keeper would never look again
        _log.exception("looking at the store failed")


def _version() -> str:
    try:
        return version("deepshelf")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0"
