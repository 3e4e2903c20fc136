"""From a route to a compute thread and back, watching whether the client is still there."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from service.scheduling.admission import Ticket
from service.scheduling.pool import Job
from service.state import running

__all__ = ["compute"]

ResultT = TypeVar("ResultT")


async def compute(request: Request, arrived: float, work: Callable[[Ticket], ResultT]) -> ResultT:
    """The result of `work`, done on a thread for a request whose body has been read whole.

    Raises:
        Overloaded, DeadlineExceeded: see `Pool`. Abandoned: the client left.
    """
    job = running(request).pool.submit(work, arrived)
    watcher = asyncio.create_task(_abandon_when_gone(request, job))
    try:
        return await job.result()
    finally:
        watcher.cancel()


async def _abandon_when_gone(request: Request, job: Job[ResultT]) -> None:
    # Once the body is read, the next message is the client's leaving (ASGI, HTTP disconnect).
    while (await request.receive())["type"] != "http.disconnect":
        pass
    job.abandon()
