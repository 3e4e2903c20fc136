"""The application: `create_app(settings)` assembles it, the lifespan runs its background tasks."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from service.auth.key_reloader import ReloadingApiKeys
from service.auth.rate_limit import RateLimiter
from service.middleware.authentication import AuthMiddleware, add_security_schemes
from service.middleware.body_limit import BodyLimitMiddleware
from service.middleware.request_log import RequestLogMiddleware
from service.middleware.security_headers import SecurityHeadersMiddleware
from service.observability.metrics import ServiceMetrics
from service.observability.parser_messages import silence_parsers
from service.observability.request_log import Observer
from service.observability.tracing import create_otlp_tracing
from service.routes.http.direct_route import add_router
from service.routes.http.problems import EXPECTED_ERRORS, handle_error
from service.routes.openapi import build_openapi, format_errors
from service.routes.ops import docs, playground
from service.routes.routers import ROUTERS
from service.runtime.cpu_limits import available_cores, compute_threads
from service.runtime.graph_loader import GraphLoader, LoadOptions
from service.runtime.inspection import Inspector
from service.runtime.model_control import ModelOverrides
from service.runtime.providers import create_providers
from service.runtime.registry import Registry
from service.scheduling.admission import AdmissionController
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.parallel_generation import (
    MAX_GENERATION_THREADS,
    ParallelGenerationScheduler,
)
from service.scheduling.pool import InferencePool
from service.server.load_shedding import LoadShedder
from service.settings import Settings
from service.state import AppState

_log = logging.getLogger(__name__)

_SWITCH_INTERVAL_S = 0.0005
"""Interpreter switch interval; Python's default is 5 ms. It bounds how long a compute thread waits
for the GIL while the event loop is busy, and the reverse. See docs/decisions.md."""

_CORS_OPTIONS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST"),
    # Clients send headers of their own, such as the x-stainless-* of OpenAI's or traceparent.
    "allow_headers": ("*",),
    "expose_headers": (
        "Allow", "Inference-Header-Content-Length", "Retry-After", "WWW-Authenticate",
        "X-DeepShelf-Dead", "X-DeepShelf-Filters", "X-DeepShelf-From", "X-DeepShelf-Model",
        "X-DeepShelf-PSNR-dB", "X-DeepShelf-SSIM", "X-DeepShelf-Scale", "X-DeepShelf-Seed",
        "X-DeepShelf-To", "X-DeepShelf-Version", "X-Request-ID",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ExecutionBackend:
    """Where graphs run and texts are generated. Default: in this process."""

    load_graph: GraphLoader | None = None
    create_scheduler: Callable[[AdmissionController, int, int], GenerationScheduler] = (
        ParallelGenerationScheduler
    )
    """Called with admission control, the number of concurrent texts, and of threads."""


_LOCAL_BACKEND = ExecutionBackend()


class _App(FastAPI):
    """FastAPI with our OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            document = build_openapi(self)
            add_security_schemes(document, auth_required=self.state.app_state.keys.auth_required)
            format_errors(document)
            self.openapi_schema = document
        return self.openapi_schema


def create_app(
    settings: Settings | None = None,
    *,
    observers: Sequence[Observer] = (),
    backend: ExecutionBackend = _LOCAL_BACKEND,
    keys: ReloadingApiKeys | None = None,
) -> FastAPI:
    """Return an application with its own state. Nothing is loaded before the lifespan starts.

    Args:
        settings: default: read from the environment.
        observers: called with every completed request, besides those that `settings` ask for.
        backend: where graphs run and texts are generated; default: in this process.
        keys: keys that hold now; default: read as `settings` say.
    """
    settings = settings or Settings()
    silence_parsers()
    state = _build_state(settings, backend, keys or ReloadingApiKeys(settings))
    app = _App(
        title="deepshelf",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # see `location_without_slash`
        lifespan=_lifespan,
        middleware=_build_middleware(settings, state, observers),
        # Requests are traced by our own middleware; FastAPI would read the environment each time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    # Not a constructor argument: FastAPI would overrule it by the root path that the server sends.
    app.root_path = settings.root_path
    app.state.app_state = state
    for router in ROUTERS:
        add_router(app, router)
    playground.mount_playground(app)
    docs.mount_docs_assets(app)
    for error_type in EXPECTED_ERRORS:
        app.add_exception_handler(error_type, handle_error)
    return app


def _build_middleware(
    settings: Settings, state: AppState, observers: Sequence[Observer]
) -> list[Middleware]:
    """Return the middleware, outermost first.

    Every response gets security headers; every request is logged and counted, also one that CORS
    or authentication responds to; preflight requests need no key; no body is read before the key
    is checked.
    """
    tracing: list[Observer] = [state.tracing] if state.tracing else []
    own_observers = (state.recorder.request_completed, *tracing)
    cross_origin = bool(settings.cors_origins)
    cors = Middleware(CORSMiddleware, allow_origins=settings.cors_origins, **_CORS_OPTIONS)
    return [
        Middleware(SecurityHeadersMiddleware, cross_origin=cross_origin),
        Middleware(RequestLogMiddleware, observers=(*own_observers, *observers)),
        *([cors] if cross_origin else []),
        Middleware(AuthMiddleware, keys=state.keys, settings=settings),
        Middleware(
            BodyLimitMiddleware,
            max_buffered_bytes=settings.max_buffered_body_bytes,
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=min(settings.body_timeout_s, settings.deadline_s),
        ),
    ]


def _build_state(settings: Settings, backend: ExecutionBackend, keys: ReloadingApiKeys) -> AppState:
    threads = compute_threads(available_cores(), settings.workers or 1, settings.threads)
    admission = AdmissionController(
        running=threads, waiting=settings.queue_size, deadline_s=settings.deadline_s
    )
    registry = _build_registry(settings, threads, backend.load_graph)
    scheduler = _build_scheduler(settings, backend, threads)
    pool = InferencePool(admission, threads)
    recorder = ServiceMetrics(
        registry, {"images": admission, "texts": scheduler.admission}, scheduler
    )
    pool.on_batch = recorder.batch_completed
    tracing = create_otlp_tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
    return AppState(
        settings=settings,
        registry=registry,
        pool=pool,
        scheduler=scheduler,
        recorder=recorder,
        inspector=Inspector(settings.store),
        keys=keys,
        rate_limiter=RateLimiter(settings.shared_dir),
        tracing=tracing,
        threads=threads,
    )


def _build_registry(settings: Settings, threads: int, load_graph: GraphLoader | None) -> Registry:
    return Registry(
        settings.store,
        enabled_models=settings.models,
        defaults=settings.defaults,
        threads=threads,
        overrides=ModelOverrides(settings.model_control_dir),
        trusted_keys=settings.load_trusted_keys(),
        options=LoadOptions(
            load_graph,
            create_providers(settings.providers),
            precision=None if settings.precision == "auto" else settings.precision,
            max_text_batch_size=settings.max_concurrent_generations,
            batching=settings.batching,
            max_tensor_memory_bytes=settings.max_tensor_memory_bytes,
            max_run_s=settings.deadline_s,
        ),
    )


def _build_scheduler(
    settings: Settings, backend: ExecutionBackend, threads: int
) -> GenerationScheduler:
    max_streams = settings.max_concurrent_generations
    # Texts have their own queue, because they wait for a slot in a batch, not for a thread.
    admission = AdmissionController(
        running=max_streams, waiting=settings.queue_size, deadline_s=settings.deadline_s
    )
    threads = min(threads, max_streams, MAX_GENERATION_THREADS)
    return backend.create_scheduler(admission, max_streams, threads)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
    state: AppState = app.state.app_state
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if state.settings.load_before_listen:
        await _refresh(state.registry)
    # In the background, so that probes and models that are ready respond meanwhile.
    background_tasks = [
        asyncio.create_task(_poll_store(state.registry, state.settings.store_poll_interval_s)),
        asyncio.create_task(state.keys.watch()),
        asyncio.create_task(state.recorder.update_periodically()),
    ]
    try:
        # `LimitedHttpProtocol` takes these from the lifespan state.
        yield {
            "on_connection_dropped": state.recorder.connection_dropped,
            "load_shedder": LoadShedder(state, app.routes),
        }
    finally:
        state.registry.close()
        for task in background_tasks:
            task.cancel()
        await asyncio.gather(*background_tasks, return_exceptions=True)
        await asyncio.to_thread(state.scheduler.close)
        await asyncio.to_thread(state.pool.close)
        state.rate_limiter.close()
        if state.tracing:
            await asyncio.to_thread(state.tracing.close)


async def _poll_store(registry: Registry, interval_s: float) -> None:
    """Load all models, then follow changes of the store."""
    while True:
        await _refresh(registry)
        if not interval_s:
            return
        await asyncio.sleep(interval_s)


async def _refresh(registry: Registry) -> None:
    try:
        await asyncio.to_thread(registry.refresh)
    except Exception:  # noqa: BLE001  # the next scan may succeed
        _log.exception("store scan failed")


def _version() -> str:
    try:
        return version("deepshelf")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"
