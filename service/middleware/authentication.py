"""Who may ask, and how much: pure ASGI, before a route is looked for or a body is read.

Where keys are set, every path needs one, but for those that are listed here as open. A page that is
closed is not there.
"""

import math
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.key_reloader import ReloadingApiKeys
from service.auth.rate_limit import RateLimiter
from service.errors import Forbidden, NotFound, ServiceError, TooManyRequests, Unauthorized
from service.keys import ApiKey
from service.routes.http.problems import handle_error
from service.schemas.openapi_fragments import problem_responses
from service.settings import Settings

__all__ = ["AuthMiddleware", "add_security_schemes", "require_admin"]

_SECURITY_SCHEMES = {
    "AdminKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The administrator's; also accepted as X-API-Key",
    },
    "Key": {"type": "http", "scheme": "bearer", "description": "A key of this service"},
    "KeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_KEY_USAGE = "send it as Authorization: Bearer KEY or as X-API-Key: KEY"
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})
_PROBE_PATHS = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Who starts, stops and balances the process has no key; they tell two numbers at most."""
_DOCS_PATHS = ("/docs", "/redoc", "/openapi.json")
_PLAYGROUND_PATHS = ("/", "/page")
_METRICS_PATHS = ("/metrics",)


class AuthMiddleware:
    """Lets through who may come."""

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
        self._default_limits = (settings.key_rate, settings.key_max_concurrent)
        self._in_flight: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            key = self._authenticate(scope)
        except ServiceError as error:
            response = await handle_error(Request(scope), error)
            await response(scope, receive, send)
            return
        if key is None:
            await self._app(scope, receive, send)
            return
        self._in_flight[key.name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight[key.name] -= 1

    def _authenticate(self, scope: Scope) -> ApiKey | None:
        """Whose request it is; None for nobody's in particular."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if _is_under(path, self._disabled_paths):
            raise NotFound(f"{path} is closed here")
        presented = _presented_key(scope)
        key = self._keys.current.find(presented) if presented else None
        if key is not None:
            scope["state"]["key"] = key
            scope["state"]["event"]["key"] = key.name
            self._enforce_limits(scope, key)
        elif self._keys.auth_required and not _is_under(path, self._public_paths):
            problem = (
                "this needs a key" if presented is None else "this is not a key of this service"
            )
            raise Unauthorized(f"{problem}; {_KEY_USAGE}")
        return key

    def _enforce_limits(self, scope: Scope, key: ApiKey) -> None:
        rate_limit, max_concurrent = (
            key.rate_limit or self._default_limits[0],
            key.max_concurrent or self._default_limits[1],
        )
        if max_concurrent is not None and self._in_flight[key.name] >= max_concurrent:
            raise TooManyRequests(f"{max_concurrent} requests of this key are under way, its limit")
        if rate_limit is None:
            return
        rate_limiter: RateLimiter = scope["app"].state.app_state.rate_limiter
        retry_after_s = rate_limiter.hit(rate_limit, key.name)
        if retry_after_s is not None:
            raise TooManyRequests(
                f"this key may make {rate_limit}", retry_after_s=max(1, math.ceil(retry_after_s))
            )


def require_admin(request: Request) -> None:
    """Return if the request came with an administrator's key.

    Raises:
        Forbidden: there is no such key, so nobody may; or it is somebody else's.
        Unauthorized: no key came, or an unknown one.
    """
    keys: ReloadingApiKeys = request.app.state.app_state.keys
    key: ApiKey | None = request.scope["state"].get("key")
    if not keys.current.has_admin:
        raise Forbidden(
            "this is for the administrator, and the service has no administrator's key; "
            "start it with DEEPSHELF_ADMIN_KEY set"
        )
    if key is None:
        problem = "this needs" if _presented_key(request.scope) is None else "this is not"
        raise Unauthorized(f"{problem} the administrator's key; {_KEY_USAGE}")
    if not key.admin:
        raise Forbidden(f"this is for the administrator; {key.name} is not one")


def add_security_schemes(document: dict[str, Any], *, auth_required: bool) -> None:
    """Tell an OpenAPI document of keys, and where one is `needed`, what comes without."""
    document["components"]["securitySchemes"] = dict(_SECURITY_SCHEMES)
    if not auth_required:
        return
    document["security"] = [{name: []} for name in ("Key", "KeyHeader")]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if _is_under(path, _PROBE_PATHS):
                operation["security"] = []
            else:
                _add_auth_errors(operation["responses"])


def _add_auth_errors(responses: dict[str, Any]) -> None:
    # In the shape that the operation's other errors have: protocols differ.
    errors = (response["content"] for status, response in responses.items() if int(status) >= 400)
    sibling_content: dict[str, Any] = next(errors, {})
    content = {
        kind: {"schema": media_type["schema"]} for kind, media_type in sibling_content.items()
    }
    for status, response in problem_responses(401, 429).items():
        responses.setdefault(str(status), {**response, "content": content})


def _presented_key(scope: Scope) -> str | None:
    # One look at the headers as they came: for most requests, all that the guard takes.
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    key_headers = {name: value for name, value in reversed(headers) if name in _KEY_HEADERS}
    if not key_headers:
        return None
    scheme, _, key = key_headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return key_headers.get(b"x-api-key", b"").decode("latin-1") or None


def _is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether `path` is one of them, or lies below it. All lies below `/`, and is not meant."""
    return bool(prefixes) and any(
        path == prefix or (prefix != "/" and path.startswith(f"{prefix}/")) for prefix in prefixes
    )
