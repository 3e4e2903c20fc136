"""From a route to the work and back, watching whether the client is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from service.scheduling.admission import Ticket
from service.state import get_state

__all__ = ["Cancellable", "cancel_on_disconnect", "run_in_pool", "watch_disconnect"]

ResultT = TypeVar("ResultT")


class Cancellable(Protocol):
    """Work that can be told that nobody waits for it."""

    def cancel(self) -> None: ...


async def run_in_pool(
    request: Request, arrival_time_s: float, work: Callable[[Ticket], ResultT]
) -> ResultT:
    """The result of `work`, done on a thread for a request whose body has been read whole.

    Raises:
        Overloaded, DeadlineExceeded: see `Pool`. Abandoned: the client left.
    """
    job = get_state(request).pool.submit(work, arrival_time_s)
    return await cancel_on_disconnect(request, job, job.result())


async def cancel_on_disconnect(
    request: Request, work: Cancellable, result: Awaitable[ResultT]
) -> ResultT:
    """`result` of `work`, which is abandoned when the client leaves."""
    watcher = asyncio.create_task(watch_disconnect(request.receive, work))
    try:
        return await result
    finally:
        watcher.cancel()


async def watch_disconnect(receive: Receive, work: Cancellable) -> None:
    """Wait for the client's leaving. Only once the body has been read whole."""
    # The next message is that then (ASGI, HTTP disconnect).
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()
