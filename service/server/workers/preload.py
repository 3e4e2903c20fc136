"""What several workers share: code imported and models loaded once, in the process above them.

Workers are forked from it, so that what none of them writes to is in memory once, a worker is there
in a moment, and one that died is back as soon.
"""

import gc
import importlib
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from service.runtime.cpu_limits import WorkerPlan
from service.runtime.loaded_model import GraphLoader, load_session
from service.runtime.model_control import ModelOverrides
from service.runtime.registry import Registry
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["can_fork", "create_registry", "preload_app"]

_PRELOAD_TIMEOUT_S = 10
"""Then workers start with what is loaded, and load the rest themselves: they answer probes."""


def can_fork() -> bool:
    """Elsewhere, system libraries do not bear a fork (macOS), or there is none (Windows)."""
    return sys.platform == "linux"


def create_registry(
    settings: Settings, threads: int, load_graph: GraphLoader = load_session
) -> Registry:
    """An empty shelf that will hold what `settings` say; `threads` load at the same time."""
    return Registry(
        settings.store,
        enabled_models=settings.models,
        defaults=settings.defaults,
        threads=threads,
        overrides=ModelOverrides(settings.model_control_dir),
        load_graph=load_graph,
        trusted_keys=settings.load_trusted_keys(),
        precision=None if settings.precision == "auto" else settings.precision,
    )


def preload_app(settings: Settings, plan: WorkerPlan) -> Callable[[], "FastAPI"]:
    """Load the shelf and meanwhile import the application; return what makes one in each worker.

    When it returns, no thread of ours is left: a fork would not take it along. Sessions compute on
    the thread that calls them (`session_options`), so they have none.
    """
    registry = create_registry(settings, plan.threads)
    load_threads = plan.workers * plan.threads
    loader = threading.Thread(
        target=registry.refresh, kwargs={"timeout_s": _PRELOAD_TIMEOUT_S, "threads": load_threads}
    )
    loader.start()
    app_module = importlib.import_module("service.app")
    loader.join()
    # What is there now stays: the collector of a worker need not touch, and thereby copy, it.
    gc.collect()
    gc.freeze()
    return partial(app_module.create_app, elsewhere=app_module.Elsewhere(registry=registry))
