"""Addresses in responses: without scheme and host, which a proxy in front may change."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Scope


def root_path(scope: Scope) -> str:
    """Return the prefix of the whole application, also within one that it mounts."""
    prefix: str = scope.get("app_root_path", scope.get("root_path", ""))
    return prefix


def location_without_slash(request: Request) -> str | None:
    """Return the address of a path without the slash at its end; None if no route has it.

    Starlette's own redirects lose a prefix that the proxy strips, and HTTPS that it terminates.
    """
    root, query = root_path(request.scope), request.url.query
    path = request.scope["path"].removeprefix(root)
    scope = {**request.scope, "path": path.rstrip("/")}
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    if path == scope["path"] or all(route.matches(scope)[0] is Match.NONE for route in routes):
        return None
    return root + quote(scope["path"]) + (f"?{query}" if query else "")
