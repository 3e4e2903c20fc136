"""Who may do what: so far one key, the administrator's."""

import hashlib
import hmac

from starlette.requests import Request

from service.errors import Forbidden, Unauthorized
from service.state import running

__all__ = ["ADMIN_SCHEME", "require_admin"]

ADMIN_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "DEEPSHELF_ADMIN_KEY of the service; also accepted as X-API-Key",
}
"""For OpenAPI."""

_HOW = "send it as Authorization: Bearer KEY or as X-API-Key: KEY"


def require_admin(request: Request) -> None:
    """Return if the request carries the administrator's key.

    Raises:
        Forbidden: there is no such key, so nobody may.
        Unauthorized: no key came, or another one.
    """
    key = running(request).settings.admin_key
    if key is None or not key.get_secret_value():
        raise Forbidden(
            "this is for the administrator, and the service has no administrator's key; "
            "start it with DEEPSHELF_ADMIN_KEY set"
        )
    came = _key(request)
    if came is None:
        raise Unauthorized(f"this needs the administrator's key; {_HOW}")
    if not _same(came, key.get_secret_value()):
        raise Unauthorized(f"this is not the administrator's key; {_HOW}")


def _key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-api-key") or None


def _same(one: str, other: str) -> bool:
    """In a time that depends on neither: digests have one length, and are compared whole."""
    first, second = (hashlib.sha256(key.encode()).digest() for key in (one, other))
    return hmac.compare_digest(first, second)
