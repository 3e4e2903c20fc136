"""All errors that a client can receive, as one tree. Each class carries its HTTP status.

ServiceError
├── BadRequest              400  the request is malformed
├── Unauthorized            401  a key is needed and is missing or wrong
├── Forbidden               403  not allowed, or not with this key
├── NotFound                404  no such model, version or page; says what exists
├── MethodNotAllowed        405  the path has other methods; carries Allow
├── NotAcceptable           406  no media type of the response matches Accept
├── ContentTooLarge         413  the body or the image exceeds a limit; says which
├── UnsupportedMediaType    415  this kind of content is not accepted
├── InvalidValue            422  well formed, but a value is wrong or an image is damaged
├── TooManyRequests         429  a limit of the key is exceeded; carries Retry-After
├── Unavailable             503  the model exists but cannot serve; says why
│   ├── BackendUnreachable  503  the process that computes cannot be reached at the moment
│   └── Overloaded          503  the queue is full; carries Retry-After
├── DeadlineExceeded        504  not finished in time
└── InternalError           500  unexpected, and without any details

A message says what was wrong, what was received, and what is accepted. It never quotes a payload.
"""


class ServiceError(Exception):
    """An expected failure. `detail` is for the client; `slug` and `status` identify the kind."""

    status: int
    slug: str
    title: str
    retry_after_s: int | None = None
    """Seconds after which the client may retry (RFC 9110, section 10.2.3)."""

    def __init__(self, detail: str, *, retry_after_s: int | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s
        self.extra = extra
        """Further members of the problem document (RFC 9457, section 3.2)."""

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to this error."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class BadRequest(ServiceError):
    """The request is malformed."""

    status, slug, title = 400, "bad-request", "Bad request"


class Unauthorized(ServiceError):
    """The request needs a key."""

    status, slug, title = 401, "unauthorized", "A key is needed"

    @property
    def headers(self) -> dict[str, str]:
        """Name the authentication scheme, as a 401 must (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    """The request is not allowed, or not with this key."""

    status, slug, title = 403, "forbidden", "Forbidden"


class NotFound(ServiceError):
    """There is no such model, version or page."""

    status, slug, title = 404, "not-found", "Not found"


class MethodNotAllowed(ServiceError):
    """The path does not have this method; `accepted` lists those it has."""

    status, slug, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, method: str, allow: str) -> None:
        """`allow` is the value of the header Allow."""
        accepted = [name.strip() for name in allow.split(",")]
        detail = f"{method} is not accepted here; accepted: {', '.join(accepted)}"
        super().__init__(detail, accepted=accepted)
        self._allow = allow

    @property
    def headers(self) -> dict[str, str]:
        """Name the methods, as a 405 must (RFC 9110, section 15.5.6)."""
        return {"Allow": self._allow}


class NotAcceptable(ServiceError):
    """The response has no media type that `Accept` allows."""

    status, slug, title = 406, "not-acceptable", "Not acceptable"


class ContentTooLarge(ServiceError):
    """The body or the image exceeds a limit."""

    status, slug, title = 413, "too-large", "Content too large"


class UnsupportedMediaType(ServiceError):
    """This kind of content is not accepted."""

    status, slug, title = 415, "unsupported", "Unsupported content"


class InvalidValue(ServiceError):
    """The request is well formed, but a value is wrong or an image is damaged."""

    status, slug, title = 422, "invalid", "Invalid value"


class TooManyRequests(ServiceError):
    """A limit of the key is exceeded. Nothing was read or computed."""

    status, slug, title = 429, "too-many-requests", "Too many requests"
    retry_after_s: int = 1


class Unavailable(ServiceError):
    """The model exists, but cannot serve."""

    status, slug, title = 503, "unavailable", "Unavailable"


class BackendUnreachable(Unavailable):
    """The process that computes cannot be reached; the model itself is not at fault."""


class Overloaded(Unavailable):
    """The queue is full. Nothing was decoded or computed."""

    slug, title = "overloaded", "Overloaded"
    retry_after_s: int = 1


class DeadlineExceeded(ServiceError):
    """The response was not ready in time; the work was cancelled."""

    status, slug, title = 504, "deadline-exceeded", "Deadline exceeded"


class InternalError(ServiceError):
    """Unexpected error; it is logged under the request's id."""

    status, slug, title = 500, "internal", "Internal error"
