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

from service.runtime.cpu_limits import Plan
from service.runtime.loaded_model import OpenGraph, open_session
from service.runtime.model_control import Orders
from service.runtime.registry import Registry
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["can_fork", "preloaded", "registry_of"]

_PATIENCE_S = 10
"""Then workers start with what is loaded, and load the rest themselves: they answer probes."""


def can_fork() -> bool:
    """Elsewhere, system libraries do not bear a fork (macOS), or there is none (Windows)."""
    return sys.platform == "linux"


def registry_of(settings: Settings, threads: int, open_graph: OpenGraph = open_session) -> Registry:
    """An empty shelf that will hold what `settings` say; `threads` load at the same time."""
    return Registry(
        settings.store,
        only=settings.models,
        defaults=settings.defaults,
        threads=threads,
        orders=Orders(settings.orders),
        open_graph=open_graph,
        trusted=settings.trusted(),
        precision=None if settings.precision == "auto" else settings.precision,
    )


def preloaded(settings: Settings, share: Plan) -> Callable[[], "FastAPI"]:
    """Load the shelf and meanwhile import the application; return what makes one in each worker.

    When it returns, no thread of ours is left: a fork would not take it along. Sessions compute on
    the thread that calls them (`session_options`), so they have none.
    """
    registry = registry_of(settings, share.threads)
    at_once = share.workers * share.threads
    loading = threading.Thread(
        target=registry.refresh, kwargs={"within_s": _PATIENCE_S, "threads": at_once}
    )
    loading.start()
    app = importlib.import_module("service.app")
    loading.join()
    # What is there now stays: the collector of a worker need not touch, and thereby copy, it.
    gc.collect()
    gc.freeze()
    return partial(app.create_app, elsewhere=app.Elsewhere(registry=registry))
