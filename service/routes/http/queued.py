"""Mark endpoints whose requests wait in a queue, so that load shedding can find them."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from fastapi.routing import APIRoute

RouteQueue = Literal["images", "texts", "by model"]
""""by model": the queue of the model that the path names, `{model}` and perhaps `{version}`."""

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def queued(queue: RouteQueue) -> Callable[[EndpointT], EndpointT]:
    """Mark an endpoint whose requests wait in `queue`, and are rejected early when it is full."""

    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, "queue", queue)  # noqa: B010  # functions have no such attribute yet
        return endpoint

    return mark


def get_queue(route: APIRoute) -> RouteQueue | None:
    """Return the queue in which requests of `route` wait, or None."""
    queue: RouteQueue | None = getattr(route.endpoint, "queue", None)
    return queue
