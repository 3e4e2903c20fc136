"""Who may ask, and how much: pure ASGI, before a route is looked for or a body is read.

Where keys are set, every path needs one, but for those that are listed here as open. A page that is
closed is not there.
"""

import math
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.key_reloader import LiveKeys
from service.auth.rate_limit import Rates
from service.errors import Forbidden, NotFound, ServiceError, TooManyRequests, Unauthorized
from service.keys import Key
from service.routes.http.problems import handle
from service.schemas.openapi_fragments import problems
from service.settings import Settings

__all__ = ["Guard", "document_keys", "require_admin"]

_SCHEMES = {
    "AdminKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The administrator's; also accepted as X-API-Key",
    },
    "Key": {"type": "http", "scheme": "bearer", "description": "A key of this service"},
    "KeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_HOW = "send it as Authorization: Bearer KEY or as X-API-Key: KEY"
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})
_PROBES = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")
"""Who starts, stops and balances the process has no key; they tell two numbers at most."""
_DOCS = ("/docs", "/redoc", "/openapi.json")
_PAGE = ("/", "/page")
_METRICS = ("/metrics",)


class Guard:
    """Lets through who may come."""

    def __init__(self, app: ASGIApp, keys: LiveKeys, settings: Settings) -> None:
        self._app = app
        self._keys = keys
        open_paths = [*_PROBES, "/problems"]
        closed: list[str] = []
        (open_paths if settings.docs else closed).extend(_DOCS)
        (open_paths if settings.page else closed).extend(_PAGE)
        if settings.metrics != "key":
            (open_paths if settings.metrics == "open" else closed).extend(_METRICS)
        self._open, self._closed = tuple(open_paths), tuple(closed)
        self._defaults = (settings.key_rate, settings.key_concurrent)
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            key = self._admit(scope)
        except ServiceError as error:
            response = await handle(Request(scope), error)
            await response(scope, receive, send)
            return
        if key is None:
            await self._app(scope, receive, send)
            return
        self._under_way[key.name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[key.name] -= 1

    def _admit(self, scope: Scope) -> Key | None:
        """Whose request it is; None for nobody's in particular."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if _is_in(path, self._closed):
            raise NotFound(f"{path} is closed here")
        came = _key_of(scope)
        key = self._keys.ring.find(came) if came else None
        if key is not None:
            scope["state"]["key"] = key
            scope["state"]["event"]["key"] = key.name
            self._limit(scope, key)
        elif self._keys.needed and not _is_in(path, self._open):
            problem = "this needs a key" if came is None else "this is not a key of this service"
            raise Unauthorized(f"{problem}; {_HOW}")
        return key

    def _limit(self, scope: Scope, key: Key) -> None:
        rate, concurrent = key.rate or self._defaults[0], key.concurrent or self._defaults[1]
        if concurrent is not None and self._under_way[key.name] >= concurrent:
            raise TooManyRequests(f"{concurrent} requests of this key are under way, its limit")
        if rate is None:
            return
        rates: Rates = scope["app"].state.running.rates
        wait_s = rates.wait_s(rate, key.name)
        if wait_s is not None:
            raise TooManyRequests(
                f"this key may make {rate}", retry_after_s=max(1, math.ceil(wait_s))
            )


def require_admin(request: Request) -> None:
    """Return if the request came with an administrator's key.

    Raises:
        Forbidden: there is no such key, so nobody may; or it is somebody else's.
        Unauthorized: no key came, or an unknown one.
    """
    keys: LiveKeys = request.app.state.running.keys
    key: Key | None = request.scope["state"].get("key")
    if not keys.ring.has_admin:
        raise Forbidden(
            "this is for the administrator, and the service has no administrator's key; "
            "start it with DEEPSHELF_ADMIN_KEY set"
        )
    if key is None:
        problem = "this needs" if _key_of(request.scope) is None else "this is not"
        raise Unauthorized(f"{problem} the administrator's key; {_HOW}")
    if not key.admin:
        raise Forbidden(f"this is for the administrator; {key.name} is not one")


def document_keys(document: dict[str, Any], *, needed: bool) -> None:
    """Tell an OpenAPI document of keys, and where one is `needed`, what comes without."""
    document["components"]["securitySchemes"] = dict(_SCHEMES)
    if not needed:
        return
    document["security"] = [{name: []} for name in ("Key", "KeyHeader")]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if _is_in(path, _PROBES):
                operation["security"] = []
            else:
                _document_refusals(operation["responses"])


def _document_refusals(responses: dict[str, Any]) -> None:
    # In the shape that the operation's other errors have: protocols differ.
    errors = (one["content"] for status, one in responses.items() if int(status) >= 400)
    like: dict[str, Any] = next(errors, {})
    content = {kind: {"schema": told["schema"]} for kind, told in like.items()}
    for status, response in problems(401, 429).items():
        responses.setdefault(str(status), {**response, "content": content})


def _key_of(scope: Scope) -> str | None:
    # One look at the headers as they came: for most requests, all that the guard takes.
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    found = {name: value for name, value in reversed(headers) if name in _KEY_HEADERS}
    if not found:
        return None
    scheme, _, key = found.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return found.get(b"x-api-key", b"").decode("latin-1") or None


def _is_in(path: str, places: tuple[str, ...]) -> bool:
    """Whether `path` is one of them, or lies below it. All lies below `/`, and is not meant."""
    return bool(places) and any(
        path == place or (place != "/" and path.startswith(f"{place}/")) for place in places
    )
