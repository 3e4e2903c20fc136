"""The state of a running application, and how routes get it. There are no globals."""

from dataclasses import dataclass, field

from starlette.requests import Request

from service.auth.key_reloader import ReloadingApiKeys
from service.auth.rate_limit import RateLimiter
from service.handlers.generation import TextLimits
from service.handlers.tensors import InferLimits
from service.observability.metrics import ServiceMetrics
from service.observability.tracing import Tracing
from service.runtime.inspection import Inspector
from service.runtime.registry import Registry
from service.runtime.statistics import InferenceStatistics
from service.scheduling.continuous_batching import GenerationScheduler
from service.scheduling.pool import InferencePool
from service.settings import Settings


@dataclass(frozen=True)
class AppState:
    """State shared by all requests."""

    settings: Settings
    registry: Registry
    pool: InferencePool
    scheduler: GenerationScheduler
    recorder: ServiceMetrics
    inspector: Inspector
    keys: ReloadingApiKeys
    rate_limiter: RateLimiter
    tracing: Tracing | None = None
    threads: int = 1
    """Threads that decode and compute."""
    statistics: InferenceStatistics = field(default_factory=InferenceStatistics)

    @property
    def text_limits(self) -> TextLimits:
        return TextLimits(self.settings.max_prompt_chars, self.settings.max_text_chars)

    @property
    def infer_limits(self) -> InferLimits:
        settings = self.settings
        return InferLimits(settings.max_images, settings.max_prompt_chars, settings.max_body_bytes)


def get_state(request: Request) -> AppState:
    """Return the state of the application that serves this request."""
    state: AppState = request.app.state.app_state
    return state
