"""`python -m service`: settings from the environment or the command line, then uvicorn."""

import argparse
import asyncio
import contextlib
import logging
import logging.config
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import uvicorn
from pydantic import ValidationError
from uvicorn.config import STARTUP_FAILURE

from service.observability.logging_config import log_config
from service.observability.shared_dir import remove_shared_dirs
from service.observability.tracing import TracingUnavailable, check_installed
from service.runtime.cpu_limits import WorkerPlan, available_cores, plan_workers
from service.server.protocol import ConnectionLimits, protocol_factory
from service.server.workers.connection_counts import SharedConnectionCounts
from service.server.workers.preload import can_fork, preload_app
from service.server.workers.supervisor import Supervisor, fork_workers
from service.settings import ENV_PREFIX, Settings, describe_validation_error

_log = logging.getLogger("service")

_WORKER_HEALTHCHECK_TIMEOUT_S = 30
"""A worker that does not answer its supervisor for so long is replaced. Uvicorn's 5 can pass on a
machine that is overloaded, and then the kill makes it worse."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; 2 when the settings are wrong."""
    options = vars(_parser().parse_args(arguments))
    # Into the environment, because every worker process reads its settings from there.
    os.environ.update({ENV_PREFIX + name.upper(): text for name, text in options.items()})
    try:
        settings = Settings()
    except ValidationError as error:
        return _exit_with_error(describe_validation_error(error))
    if not settings.store.is_dir():
        return _exit_with_error(f"{ENV_PREFIX}STORE={settings.store}: there is no such folder")
    if settings.otlp_endpoint:
        try:
            check_installed()
        except TracingUnavailable as error:
            return _exit_with_error(f"{ENV_PREFIX}OTLP_ENDPOINT: {error}")
    remove_shared_dirs(os.getpid())
    plan = plan_workers(available_cores(), settings.workers, settings.threads)
    try:
        with _model_control_dir(settings, plan.workers):
            serve(settings, plan)
    finally:
        remove_shared_dirs(os.getpid())
    return 0


def serve(settings: Settings, plan: WorkerPlan) -> None:
    """Run uvicorn until it has drained after SIGTERM or SIGINT."""
    logging_config = log_config(settings.log_level, settings.log_format)
    logging.config.dictConfig(logging_config)
    _warn_about_unknown_variables()
    _log_startup(settings, plan)
    # When it has drained, uvicorn raises the signal again: having done as told is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    connection_counts = SharedConnectionCounts(settings.shared_dir)
    config = uvicorn.Config(
        "service.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=plan.workers,
        loop=cast("str", _event_loop_factory(connection_counts, plan.workers)),
        http=cast(
            "type[asyncio.Protocol]",
            protocol_factory(_connection_limits(settings), connection_counts),
        ),
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
    if plan.workers > 1:
        sockets = [config.bind_socket()]  # a port that is taken is told before anything is loaded
        if can_fork():
            config.app = preload_app(Settings(), plan)
            fork_workers()
        Supervisor(config, sockets).run()
        return
    server = uvicorn.Server(config)
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
def _model_control_dir(settings: Settings, workers: int) -> Iterator[None]:
    """Where there are several workers: a folder for what is loaded and unloaded by hand."""
    if workers == 1 or settings.model_control_dir is not None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="deepshelf-model-control-") as folder:
        os.environ[f"{ENV_PREFIX}MODEL_CONTROL_DIR"] = folder
        yield


def _log_startup(settings: Settings, plan: WorkerPlan) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls_certfile else "http"
    url = f"{scheme}://{host}:{settings.port}{settings.root_path}"
    fields = {"workers": plan.workers, "threads": plan.threads, "store": str(settings.store)}
    _log.info("starting", extra={"fields": fields})
    _log.info("open %s/ or %s/docs", url, url)
    image_path = "examples/cat.jpg" if Path("examples/cat.jpg").is_file() else "cat.jpg"
    _log.info("try: curl -F image=@%s %s/v1/classify", image_path, url)


def _warn_about_unknown_variables() -> None:
    # A warning, not an error: Kubernetes puts names of its own beside ours, training has some too.
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields} | {f"{ENV_PREFIX}DATA"}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            _log.warning("unknown environment variable", extra={"fields": {"name": name}})


def _event_loop_factory(
    connection_counts: SharedConnectionCounts, workers: int
) -> str | Callable[[], asyncio.AbstractEventLoop]:
    """Windows has no uvloop."""
    if not find_spec("uvloop"):
        return "asyncio"
    if workers == 1:
        return "uvloop"
    from service.server.workers.balanced_listener import loop_factory

    return loop_factory(connection_counts)


def _parser() -> argparse.ArgumentParser:
    """One option per setting, with the setting's own description."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serve the published models over REST.",
        epilog=f"Every option is also an environment variable: {ENV_PREFIX}<NAME>.",
        argument_default=argparse.SUPPRESS,
    )
    for name, field in Settings.model_fields.items():
        text = " ".join((field.description or "").split()).replace("%", "%%")
        default = field.get_default(call_default_factory=True, validated_data={})
        parser.add_argument(
            "--" + name.replace("_", "-"), metavar="…", help=f"{text} Default: {default}."
        )
    return parser


def _exit_with_error(problem: str) -> int:
    sys.stderr.write(f"error: {problem}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
