"""Run work for a request, and cancel it when the client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from starlette.requests import Request

from models_store.tasks import Task
from service.errors import InvalidValue, UnsupportedMediaType
from service.routes.http.request_body import URLENCODED, media_type_of
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.state import get_state

ResultT = TypeVar("ResultT")

_WATCH_DELAY_S = 0.02
"""Work that takes less is not worth a task that watches for a disconnect."""

_DATA_BINARY_HINT = "; curl sends a file unchanged with --data-binary, while -d drops line breaks"


class Cancellable(Protocol):
    """Work that can be stopped when its result is no longer needed."""

    def cancel(self) -> None: ...


async def run_in_pool(
    request: Request,
    arrival_time_s: float,
    work: Callable[[Ticket], ResultT],
    *,
    model: LoadedModel[Task] | None = None,
    is_upload: bool = True,
) -> ResultT:
    """Return the result of `work`, run on a compute thread. The body must have been read.

    `model` is the one whose graphs `work` runs, if requests may share runs of it.
    `is_upload` is True where the body is a file, which curl's `-d` may have damaged.

    Raises:
        Overloaded, DeadlineExceeded: see `InferencePool`.
        RequestCancelled: the client disconnected.
    """
    try:
        batch_key = model.batch_key if model else None
        job = get_state(request).pool.submit(work, arrival_time_s, batch_key=batch_key)
        return await cancel_on_disconnect(request, job, job.result())
    except (InvalidValue, UnsupportedMediaType) as error:
        if is_upload and media_type_of(request) == URLENCODED:
            error.detail += _DATA_BINARY_HINT
        raise


async def cancel_on_disconnect(
    request: Request, work: Cancellable, result: Awaitable[ResultT]
) -> ResultT:
    """Return `result` of `work`, which is cancelled if the client disconnects meanwhile."""
    watchers: list[asyncio.Task[None]] = []
    timer = asyncio.get_running_loop().call_later(
        _WATCH_DELAY_S,
        lambda: watchers.append(asyncio.create_task(_watch_disconnect(request, work))),
    )
    try:
        return await result
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()


async def _watch_disconnect(request: Request, work: Cancellable) -> None:
    # After the body, the next message is the disconnect.
    while (await request.receive())["type"] != "http.disconnect":
        pass
    work.cancel()
