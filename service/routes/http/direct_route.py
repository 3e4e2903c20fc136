"""Straight to a route: pure ASGI, in front of FastAPI's own way to the same function.

FastAPI looks for a route in every router, builds its dependencies and opens two exit stacks for
each request. None of our routes without parameters in their path needs any of that: each takes the
request and gives a response. `python -m benchmarks serve` says what it saves.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.routes.http.problems import EXPECTED_ERRORS, handle_error

__all__ = ["DirectRouteMiddleware"]

_Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRouteMiddleware:
    """Calls the endpoint of a POST route whose path is plain; everything else goes on inwards."""

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes: Mapping[str, APIRoute] = {
            route.path: route
            for router in routers
            for route in router.routes
            if isinstance(route, APIRoute) and route.methods == {"POST"} and _is_direct(route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._match(scope)
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["endpoint"] = route, route.endpoint
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except EXPECTED_ERRORS as error:
            response = await handle_error(request, error)
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> APIRoute | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        return self._routes.get(scope["path"].removeprefix(scope.get("root_path", "")))


def _is_direct(route: APIRoute) -> bool:
    parameters: list[Any] = [item.annotation for item in _signature_parameters(route.endpoint)]
    return parameters == [Request] and not route.dependencies and "{" not in route.path


def _signature_parameters(endpoint: _Endpoint) -> Iterable[inspect.Parameter]:
    return inspect.signature(endpoint).parameters.values()
