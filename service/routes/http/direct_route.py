"""Routers whose routes call `(request) -> Response` endpoints directly, HEAD as GET.

FastAPI solves dependencies and opens two exit stacks for each request, which an endpoint that
takes the request alone does not need; `docs/decisions.md` has what that costs.
"""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route of `create_router`.

    Endpoints with further parameters, such as those of the path, take FastAPI's usual way.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._accepted_methods = set(self.methods or ())
        if "GET" in self._accepted_methods:
            self._accepted_methods.add("HEAD")
        parameters = inspect.signature(endpoint).parameters.values()
        if [parameter.annotation for parameter in parameters] == [Request]:
            self.app = _direct_app(endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and scope["method"] in self._accepted_methods:
            match = Match.FULL
        return match, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in self._accepted_methods:
            allowed = ", ".join(sorted(_methods_of_path(scope)))
            raise HTTPException(405, headers={"Allow": allowed})
        await self.app(scope, receive, send)


def create_router(**options: Any) -> APIRouter:
    """Return a router with the options of `APIRouter`, for endpoints that return a `Response`."""
    return APIRouter(route_class=DirectRoute, default_response_class=Response, **options)


def _methods_of_path(scope: Scope) -> set[str]:
    """Return the methods of all routes with the request's path."""
    return {
        method
        for route in scope["router"].routes
        if isinstance(route, DirectRoute) and route.matches(scope)[0] is not Match.NONE
        for method in route._accepted_methods  # noqa: SLF001  # of this class
    }


def add_router(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of `router` to the application's own list.

    `include_router` keeps routers nested, and matches every request against them twice.
    """
    app.router.routes.extend(router.routes)


def _direct_app(endpoint: Callable[..., Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app
