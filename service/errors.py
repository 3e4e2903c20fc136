"""Everything that a client is told went wrong, as one tree. Each class carries its HTTP status.

ServiceError
├── BadRequest             400  the request is not well formed
├── Unauthorized           401  this needs a key, and none came or a wrong one
├── Forbidden              403  nobody may do this here, or not with this key
├── NotFound               404  no such model, version or page; says what there is
├── NotAcceptable          406  no media type of the answer is among those asked for
├── TooLarge               413  the body or the picture is over a limit; says which
├── Unsupported            415  not a kind of content that is accepted here
├── Invalid                422  well formed, but a value is wrong or a picture is damaged
├── TooManyRequests        429  this key has asked too often; carries Retry-After
├── Unavailable            503  the model is there but cannot serve; says why
│   ├── Away               503  what would compute it cannot be reached at the moment
│   └── Overloaded         503  no place in the queue; carries Retry-After
└── DeadlineExceeded       504  not finished in time

A message says what was wrong, what came, and what is accepted. It never quotes a payload.
"""

from typing import ClassVar

__all__ = [
    "BackendUnreachable",
    "BadRequest",
    "ContentTooLarge",
    "DeadlineExceeded",
    "Forbidden",
    "InvalidValue",
    "NotAcceptable",
    "NotFound",
    "Overloaded",
    "ServiceError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
]


class ServiceError(Exception):
    """An expected failure. `detail` is for the client; `slug` and `status` identify the kind."""

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra
        """Further members of the problem document (RFC 9457, section 3.2)."""

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to this error."""
        return {}


class BadRequest(ServiceError):
    """The request is not well formed."""

    status, slug, title = 400, "bad-request", "Bad request"


class Unauthorized(ServiceError):
    """This needs a key."""

    status, slug, title = 401, "unauthorized", "A key is needed"

    @property
    def headers(self) -> dict[str, str]:
        """Names the scheme, as a 401 must (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    """The service was not told who may do this."""

    status, slug, title = 403, "forbidden", "Forbidden"


class NotFound(ServiceError):
    """There is no such model, version or page."""

    status, slug, title = 404, "not-found", "Not found"


class NotAcceptable(ServiceError):
    """The answer has no media type that `Accept` allows."""

    status, slug, title = 406, "not-acceptable", "Not acceptable"


class ContentTooLarge(ServiceError):
    """The body or the picture is over a limit."""

    status, slug, title = 413, "too-large", "Content too large"


class UnsupportedMediaType(ServiceError):
    """This is not a kind of content that is accepted here."""

    status, slug, title = 415, "unsupported", "Unsupported content"


class InvalidValue(ServiceError):
    """The request is well formed, but a value is wrong or a picture is damaged."""

    status, slug, title = 422, "invalid", "Invalid value"


class TooManyRequests(ServiceError):
    """The key has asked too often, or too much at a time. Nothing was read or computed."""

    status, slug, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: int = 1, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When the key may ask again (RFC 6585, section 4)."""
        return {"Retry-After": str(self.retry_after_s)}


class Unavailable(ServiceError):
    """The model is there, but cannot serve."""

    status, slug, title = 503, "unavailable", "Unavailable"


class BackendUnreachable(Unavailable):
    """What would compute it cannot be reached at the moment: no verdict on the model itself."""


class Overloaded(Unavailable):
    """Every place in the queue is taken. Nothing was decoded or computed."""

    slug, title = "overloaded", "Overloaded"

    def __init__(self, detail: str, *, retry_after_s: int = 1, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Tells a polite client when to come back (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.retry_after_s)}


class DeadlineExceeded(ServiceError):
    """The answer was not ready in time; the work was given up."""

    status, slug, title = 504, "deadline-exceeded", "Deadline exceeded"
