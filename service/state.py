"""What a running service holds, and how a route gets at it. One per process, no globals."""

from dataclasses import dataclass, field

from starlette.requests import Request

from service.auth.key_reloader import LiveKeys
from service.auth.rate_limit import Rates
from service.codecs.images import Limits
from service.observability.metrics.recorder import Recorder
from service.observability.tracing import Tracing
from service.runtime.inspection import Inspector
from service.runtime.registry import Registry
from service.runtime.statistics import Statistics
from service.scheduling.continuous_batching import Decoder
from service.scheduling.pool import Pool
from service.settings import Settings

__all__ = ["Running", "running"]


@dataclass(frozen=True)
class Running:
    """The parts that requests share."""

    settings: Settings
    registry: Registry
    pool: Pool
    limits: Limits
    decoder: Decoder
    recorder: Recorder
    inspector: Inspector
    keys: LiveKeys
    rates: Rates
    tracing: Tracing | None = None
    threads: int = 1
    """That decode and compute."""
    statistics: Statistics = field(default_factory=Statistics)


def running(request: Request) -> Running:
    """The service that this request came to."""
    found: Running = request.app.state.running
    return found
