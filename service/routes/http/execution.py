"""From a route to the work and back, watching whether the client is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from service.scheduling.admission import Ticket
from service.state import running

__all__ = ["Abandonable", "abandon_when_gone", "compute", "watched"]

ResultT = TypeVar("ResultT")


class Abandonable(Protocol):
    """Work that can be told that nobody waits for it."""

    def abandon(self) -> None: ...


async def compute(
    request: Request, arrived: float, work: Callable[[Ticket], ResultT], *, brief: bool = False
) -> ResultT:
    """The result of `work`, done on a thread for a request whose body has been read whole.

    What is `brief` is done without a thread where none would help.

    Raises:
        Overloaded, DeadlineExceeded: see `Pool`. Abandoned: the client left.
    """
    pool = running(request).pool
    if brief and pool.is_idle:
        return await pool.at_once(work, arrived)
    job = pool.submit(work, arrived)
    return await watched(request, job, job.result())


async def watched(request: Request, work: Abandonable, result: Awaitable[ResultT]) -> ResultT:
    """`result` of `work`, which is abandoned when the client leaves."""
    watcher = asyncio.create_task(abandon_when_gone(request.receive, work))
    try:
        return await result
    finally:
        watcher.cancel()


async def abandon_when_gone(receive: Receive, work: Abandonable) -> None:
    """Wait for the client's leaving. Only once the body has been read whole."""
    # The next message is that then (ASGI, HTTP disconnect).
    while (await receive())["type"] != "http.disconnect":
        pass
    work.abandon()
