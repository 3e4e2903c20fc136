"""Start the service: check the settings, then run uvicorn."""

import asyncio
import contextlib
import difflib
import logging
import logging.config
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from models_store.layout import list_model_names
from service.auth.key_reloader import ReloadingApiKeys
from service.handlers.game import PHOTOGRAPH_SUFFIXES, list_photographs
from service.observability.logging_config import log_config
from service.observability.tracing import TracingUnavailable, check_installed
from service.observability.worker_metrics import metrics_dir
from service.runtime.cpu_limits import available_cores, compute_threads
from service.runtime.providers import ProviderUnavailable, create_providers
from service.server.protocol import ConnectionLimits, protocol_factory
from service.server.workers.draining_server import DrainingServer
from service.server.workers.supervisor import ReusePortLoop, Supervisor, create_worker_app
from service.settings import ENV_PREFIX, Settings
from service.startup_errors import StartupError

_log = logging.getLogger("service")

_WORKER_HEALTHCHECK_TIMEOUT_S = 30
"""A worker that does not respond to its supervisor for this long is replaced. Uvicorn's default of
5 s can pass on an overloaded machine, where replacing workers makes the overload worse."""


def run(settings: Settings) -> None:
    """Serve until a signal arrives.

    Raises:
        StartupError: the service cannot start.
    """
    _check_can_start(settings)
    workers = settings.workers or 1
    with _shared_dirs(settings, workers) as settings_with_dirs:
        serve(settings_with_dirs, workers)


def _check_can_start(settings: Settings) -> None:
    """Raise StartupError for errors that would otherwise surface later, or in every worker."""
    if not settings.store.is_dir():
        raise StartupError(
            f"there is no folder {settings.store}. Models are not part of the Python package: "
            "start in a checkout, which has ./models_store, name a store with --store, or import a "
            "release's models-*.tar.gz with `deepshelf models --store FOLDER import FILE`",
            "store",
        )
    available = list_model_names(settings.store)
    for name in settings.models or ():
        if name not in available:
            near = difflib.get_close_matches(name, available) or available
            raise StartupError(
                f"there is no model {name!r} in {settings.store}; "
                + (f"similar names: {', '.join(near[:5])}" if near else "the store is empty"),
                "models",
            )
    if settings.real_faces and not list_photographs(settings.real_faces):
        suffixes = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
        raise StartupError(f"{settings.real_faces} has no photographs ({suffixes})", "real_faces")
    if settings.otlp_endpoint:
        try:
            check_installed()
        except TracingUnavailable as error:
            raise StartupError(str(error), "otlp_endpoint") from None
    try:
        create_providers(settings.providers)
    except ProviderUnavailable as error:
        raise StartupError(str(error), "providers") from None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            address = f"{_url_host(settings.host)}:{settings.port}"
            raise StartupError(f"cannot listen on {address}: {error.strerror}", "port") from None


def serve(settings: Settings, workers: int) -> None:
    """Run uvicorn until it has drained after SIGTERM or SIGINT."""
    logging_config = log_config(settings.log_level, settings.log_format)
    logging.config.dictConfig(logging_config)
    keys = ReloadingApiKeys(settings)
    _warn_about_unknown_variables()
    _log_startup(settings, workers, keys)
    # Uvicorn raises the signal again after it has drained; a requested stop exits with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        partial(create_worker_app, settings, keys),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=workers,
        loop="uvloop" if workers == 1 else cast("str", ReusePortLoop),
        http=cast("type[asyncio.Protocol]", protocol_factory(_connection_limits(settings))),
        ws="none",
        log_config=logging_config,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_certfile,
        ssl_keyfile=settings.tls_keyfile,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.graceful_shutdown_s,
        timeout_worker_healthcheck=_WORKER_HEALTHCHECK_TIMEOUT_S,
    )
    if workers > 1:
        with metrics_dir():
            Supervisor(config, settings, keys).run()
        return
    server = DrainingServer(config)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
        signal.signal(signal.SIGHUP, server.handle_exit)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        header_timeout_s=settings.header_timeout_s,
        max_header_bytes=settings.max_header_bytes,
        write_timeout_s=settings.write_timeout_s,
        max_connections=settings.max_connections,
    )


@contextlib.contextmanager
def _shared_dirs(settings: Settings, workers: int) -> Iterator[Settings]:
    """Yield settings with the directories that several workers share, by default temporary ones."""
    if workers == 1:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="deepshelf-workers-") as folder:
        defaults = {"shared_dir": Path(folder), "model_control_dir": Path(folder, "model-control")}
        unset = {name: path for name, path in defaults.items() if getattr(settings, name) is None}
        yield settings.model_copy(update=unset)


def _log_startup(settings: Settings, workers: int, keys: ReloadingApiKeys) -> None:
    fields = {
        "workers": workers,
        "threads": compute_threads(available_cores(), workers, settings.threads),
        "providers": ",".join(settings.providers),
        "store": str(settings.store),
        "keys": _on_off(keys.auth_required),
        "admin": _on_off(keys.current.has_admin),
        "tls": _on_off(settings.tls_certfile),
        "metrics": settings.metrics,
        "docs": _on_off(settings.docs),
        "playground": _on_off(settings.playground),
    }
    _log.info("starting", extra={"fields": fields})
    if not keys.auth_required and not _is_loopback(settings.host):
        _log.warning(
            "no keys are set: anyone who reaches this address can use the service",
            extra={"fields": {"host": settings.host}},
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls_certfile else "http"
    url = f"{scheme}://{_url_host(host)}:{settings.port}{settings.root_path}"
    _log.info("open %s/ or %s/docs", url, url)
    image_path = "examples/cat.jpg" if Path("examples/cat.jpg").is_file() else "cat.jpg"
    _log.info("try: curl -F image=@%s %s/v1/classify", image_path, url)


def _on_off(value: object) -> str:
    return "on" if value else "off"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _warn_about_unknown_variables() -> None:
    # A warning, not an error: Kubernetes adds variables with this prefix, and training has some.
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields} | {f"{ENV_PREFIX}DATA"}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            _log.warning("unknown environment variable", extra={"fields": {"name": name}})
