"""The key that a request presents, and the check for an administrator's key."""

from starlette.requests import Request
from starlette.types import Scope

from service.auth.key_reloader import ReloadingApiKeys
from service.errors import Forbidden, Unauthorized
from service.keys import ApiKey

KEY_USAGE = "send it as Authorization: Bearer KEY or as X-API-Key: KEY"
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})


def presented_key(scope: Scope) -> str | None:
    """Return the key in the request's headers, valid or not."""
    # Raw headers: this runs for every request, and most have no key.
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    key_headers = {name: value for name, value in reversed(headers) if name in _KEY_HEADERS}
    if not key_headers:
        return None
    scheme, _, key = key_headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return key_headers.get(b"x-api-key", b"").decode("latin-1") or None


def require_admin(request: Request) -> None:
    """Return if the request has an administrator's key.

    Raises:
        Forbidden: the service has no administrator's key, or the key is another one.
        Unauthorized: the request has no key, or an unknown one.
    """
    keys: ReloadingApiKeys = request.app.state.app_state.keys
    key: ApiKey | None = request.scope["state"].get("key")
    if not keys.current.has_admin:
        raise Forbidden(
            "this needs an administrator's key, but none is configured; "
            "start the service with DEEPSHELF_ADMIN_KEY set"
        )
    if key is None:
        problem = "this needs" if presented_key(request.scope) is None else "this is not"
        raise Unauthorized(f"{problem} the administrator's key; {KEY_USAGE}")
    if not key.admin:
        raise Forbidden(f"this needs an administrator's key; {key.name} is not one")
