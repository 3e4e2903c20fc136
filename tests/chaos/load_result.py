"""Outcomes of the requests of an overload."""

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.http import HttpRequest, HttpResponse
from tests.chaos.requests import ExpectedResponses


@dataclass
class LoadResult:
    """Outcomes of a load run."""

    accepted: list[float] = field(default_factory=list)
    accepted_after_pause: list[float] = field(default_factory=list)
    """Those of `accepted` that repeat a rejected request at once, on a paused connection."""
    rejected: list[float] = field(default_factory=list)
    timed_out: list[float] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    wrong: int = 0
    missing_retry_after: int = 0
    """Rejections without Retry-After."""
    unsent: int = 0
    """Requests that were not sent because all connections were waiting for a response."""
    memory_mib: list[float] = field(default_factory=list)
    generator_cores: float = 0.0
    """Cores used by the load generator."""
    service_cores: float = 0.0
    """Cores used by the service."""

    @property
    def accepted_unpaused(self) -> list[float]:
        """Those of `accepted` that did not follow a rejection."""
        return list((Counter(self.accepted) - Counter(self.accepted_after_pause)).elements())

    @property
    def sent(self) -> int:
        return len(self.accepted) + len(self.rejected) + len(self.timed_out) + len(self.other)

    def record(
        self,
        request: HttpRequest,
        response: HttpResponse,
        expected: ExpectedResponses,
        *,
        was_rejected: bool,
    ) -> None:
        if response.status == 200:
            self.accepted.append(response.seconds)
            if was_rejected:
                self.accepted_after_pause.append(response.seconds)
            self.wrong += not expected.matches(request, response)
        elif response.status == 503:
            self.rejected.append(response.seconds)
            self.missing_retry_after += int(response.headers.get("retry-after", 0)) < 1
        elif response.status == 504:
            self.timed_out.append(response.seconds)
        else:
            self.other.append(f"{response.status} {response.body[:80]!r}")
