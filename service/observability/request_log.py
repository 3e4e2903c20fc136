"""The log event of a request, and the request id that its response echoes.

The event never holds a payload. Observers get each completed request: metrics count it, traces send
it on.
"""

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from service.errors import DeadlineExceeded
from service.observability.timing import RequestTimings

_log = logging.getLogger("service.access")

REQUEST_ID_HEADER = "X-Request-ID"
_RAW_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""Ids that are echoed in headers and log lines; a request with any other id gets a new one."""


def add_log_fields(request: Request, **fields: object) -> None:
    """Add fields to the event of this request, such as the model. Never a payload."""
    request.scope["state"]["event"].update(fields)


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """A request that has ended: with a response, an error, or a disconnect."""

    scope: Scope
    route: str
    """Template of the path, such as `/v1/models/{name}`, without the client's values."""
    method: str
    status: int
    """0 if no response was sent."""
    started_at: float
    """On the clock of `time.monotonic`, in seconds."""
    duration_s: float
    timings: RequestTimings
    log_fields: Mapping[str, object]
    """Fields that the route added, such as the model."""
    cancelled: bool
    """The client disconnected before the response was complete."""

    @property
    def timed_out(self) -> bool:
        """True if the request exceeded its deadline, before or during the response."""
        problem = self.scope["state"].get("problem")
        return self.status == 504 or problem == DeadlineExceeded.slug


Observer = Callable[[CompletedRequest], None]


def request_id(scope: Scope) -> str:
    """Return the id that the client sent, or a new one if there is none or it is not valid."""
    for name, value in scope["headers"]:
        if name == _RAW_ID_HEADER:
            received: str = value.decode("latin-1")
            if _VALID_REQUEST_ID.fullmatch(received):
                return received
            break
    return os.urandom(16).hex()


def log_request(completed: CompletedRequest, bytes_in: int, bytes_out: int) -> None:
    """Log the event of a completed request."""
    level = _log_level(completed.status)
    if not _log.isEnabledFor(level):
        return
    fields = {
        "request_id": completed.scope["state"]["request_id"],
        "method": completed.method,
        "route": completed.route,
        "status": completed.status,
        "ms": round(completed.duration_s * 1000, 2),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        **completed.log_fields,
    }
    _log.log(level, "request", extra={"fields": fields})


def _log_level(status: int) -> int:
    """Return ERROR for what an operator must look into; rejecting under load is by design."""
    if status in (503, 504):
        return logging.WARNING
    return logging.ERROR if status >= 500 or not status else logging.INFO
