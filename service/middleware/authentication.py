"""Authentication and limits per key, before routing and before the body is read.

Once keys are configured, every path needs one except the public paths below. Disabled pages return
404.
"""

import asyncio
import math
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.key_reloader import ReloadingApiKeys
from service.auth.rate_limit import RateLimiter
from service.auth.request_key import KEY_USAGE, presented_key
from service.errors import NotFound, ServiceError, TooManyRequests, Unauthorized
from service.keys import ApiKey
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.problems import handle_error
from service.settings import Settings

_SECURITY_SCHEMES = {
    "AdminKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The administrator's key; also accepted as X-API-Key",
    },
    "Key": {"type": "http", "scheme": "bearer", "description": "A key of this service"},
    "KeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PROBE_PATHS = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Public: orchestrators and load balancers have no key, and the responses hold two counts."""
_DOCS_PATHS = ("/docs", "/redoc", "/openapi.json")
_PLAYGROUND_PATHS = ("/", "/page")
_METRICS_PATHS = ("/metrics",)


class AuthMiddleware:
    """Rejects requests without a valid key, or beyond the limits of their key."""

    def __init__(self, app: ASGIApp, keys: ReloadingApiKeys, settings: Settings) -> None:
        self._app = app
        self._keys = keys
        public_paths = [*_PROBE_PATHS, "/problems"]
        disabled_paths: list[str] = []
        (public_paths if settings.docs else disabled_paths).extend(_DOCS_PATHS)
        (public_paths if settings.playground else disabled_paths).extend(_PLAYGROUND_PATHS)
        if settings.metrics != "key":
            (public_paths if settings.metrics == "open" else disabled_paths).extend(_METRICS_PATHS)
        self._public_paths, self._disabled_paths = tuple(public_paths), tuple(disabled_paths)
        self._default_rate_limit = settings.key_rate
        self._default_max_concurrent = settings.key_max_concurrent
        self._in_flight: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            key = self._authenticate(scope)
        except ServiceError as error:
            await _send_error(error, scope, receive, send)
            return
        if key is None:
            await self._app(scope, receive, send)
            return
        # Counted before the rate limiter is awaited, so that a burst cannot pass together.
        self._in_flight[key.name] += 1
        try:
            await self._enforce_limits(scope, key)
            await self._app(scope, receive, send)
        except TooManyRequests as error:
            await _send_error(error, scope, receive, send)
        finally:
            self._in_flight[key.name] -= 1

    def _authenticate(self, scope: Scope) -> ApiKey | None:
        """Return the request's key; None on public paths and where no key is required."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if _is_under(path, self._disabled_paths):
            raise NotFound(f"{path} is disabled in this service")
        presented = presented_key(scope)
        key = self._keys.current.find(presented) if presented else None
        if key is not None:
            scope["state"]["key"] = key
            scope["state"]["event"]["key"] = key.name
        elif self._keys.auth_required and not _is_under(path, self._public_paths):
            problem = (
                "this needs a key" if presented is None else "this is not a key of this service"
            )
            raise Unauthorized(f"{problem}; {KEY_USAGE}")
        return key

    async def _enforce_limits(self, scope: Scope, key: ApiKey) -> None:
        """Raise TooManyRequests if the request exceeds a limit of its key."""
        max_concurrent = key.max_concurrent or self._default_max_concurrent
        if max_concurrent is not None and self._in_flight[key.name] > max_concurrent:
            raise TooManyRequests(f"this key already has {max_concurrent} requests in flight")
        rate_limit = key.rate_limit or self._default_rate_limit
        if rate_limit is None:
            return
        rate_limiter: RateLimiter = scope["app"].state.app_state.rate_limiter
        retry_after_s = await asyncio.to_thread(rate_limiter.hit, rate_limit, key.name)
        if retry_after_s is not None:
            raise TooManyRequests(
                f"the rate limit of this key is {rate_limit}",
                retry_after_s=max(1, math.ceil(retry_after_s)),
            )


async def _send_error(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    # The request has not been routed; its log line and metrics need the route all the same.
    for route in scope["app"].routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            scope["route"] = route
            break
    response = await handle_error(Request(scope), error)
    await response(scope, receive, send)


def add_security_schemes(document: dict[str, Any], *, auth_required: bool) -> None:
    """Add the ways to send a key to an OpenAPI document; if required, the errors without one."""
    document["components"]["securitySchemes"] = dict(_SECURITY_SCHEMES)
    if not auth_required:
        return
    document["security"] = [{name: []} for name in ("Key", "KeyHeader")]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if _is_under(path, _PROBE_PATHS):
                operation["security"] = []
            else:
                for status, response in problem_responses(401, 429).items():
                    operation["responses"].setdefault(str(status), response)


def _is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    """Return whether `path` is one of `prefixes` or below one; `/` covers itself alone."""
    return bool(prefixes) and any(
        path == prefix or (prefix != "/" and path.startswith(f"{prefix}/")) for prefix in prefixes
    )
