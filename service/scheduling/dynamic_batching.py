"""Dynamic batching: requests for one model that wait at the same time share runs of its graph.

The work of each request runs in a greenlet on one compute thread. When it runs a graph that
batches, it is suspended, and the thread starts the next waiting request for the same model. When
the batch is full, none waits, or the time limit is over, the thread runs the batch and resumes its
requests one after the other. A request never waits for one that has not arrived.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from service.runtime.batched_graph import BatchRequest, RequestGreenlet
from service.scheduling.admission import Ticket


class BatchableJob(Protocol):
    """The work of one request; `run` raises nothing."""

    @property
    def ticket(self) -> Ticket: ...

    def run(self) -> None: ...


@dataclass(frozen=True)
class BatchRun:
    """One run of a batch, for the metrics."""

    model: str
    rows: int
    waits_s: list[float]
    """How long each of its requests was suspended before the run."""


@dataclass(frozen=True)
class _Suspended:
    """A request that waits for a batch with its rows."""

    greenlet: RequestGreenlet
    ticket: Ticket
    request: BatchRequest
    since_s: float = field(default_factory=time.monotonic)


def run_in_batches(
    first: BatchableJob,
    take_next: Callable[[], BatchableJob | None],
    on_run: Callable[[BatchRun], None],
) -> None:
    """Run `first` to its end, together with waiting requests for the same model.

    `take_next` returns the next of these, or None; it is called until the first batch runs.
    """
    suspended: deque[_Suspended] = deque()
    _start(first, suspended)
    if suspended:
        graph, since_s = suspended[0].request.graph, suspended[0].since_s
        while (
            sum(waiting.request.rows for waiting in suspended) < graph.max_batch_size
            and time.monotonic() - since_s < graph.max_wait_s
            and (job := take_next()) is not None
        ):
            _start(job, suspended)
    while suspended:
        _run_batch(_take_batch(suspended), suspended, on_run)


def _start(job: BatchableJob, suspended: deque[_Suspended]) -> None:
    greenlet = RequestGreenlet(job.run)
    _continue(greenlet, job.ticket, greenlet.switch(), suspended)


def _continue(
    greenlet: RequestGreenlet,
    ticket: Ticket,
    request: BatchRequest | None,
    suspended: deque[_Suspended],
) -> None:
    """Note that the greenlet has been suspended with `request`, unless it has ended."""
    if request is not None:
        suspended.append(_Suspended(greenlet, ticket, request))


def _take_batch(suspended: deque[_Suspended]) -> list[_Suspended]:
    """Remove and return the longest waiting request and those that fit into a run with it."""
    key, capacity = suspended[0].request.key, suspended[0].request.graph.max_batch_size
    batch, remaining = [], []
    for waiting in suspended:
        if waiting.request.key == key and waiting.request.rows <= capacity:
            batch.append(waiting)
            capacity -= waiting.request.rows
        else:
            remaining.append(waiting)
    suspended.clear()
    suspended.extend(remaining)
    return batch


def _run_batch(
    batch: list[_Suspended], suspended: deque[_Suspended], on_run: Callable[[BatchRun], None]
) -> None:
    active = [waiting for waiting in batch if not _stop_if_late(waiting, suspended)]
    if not active:
        return
    graph, now_s = active[0].request.graph, time.monotonic()
    rows = sum(waiting.request.rows for waiting in active)
    on_run(BatchRun(graph.model, rows, [now_s - waiting.since_s for waiting in active]))
    results = graph.run_batch([waiting.request.inputs for waiting in active])
    for waiting, result in zip(active, results, strict=True):
        resume = (
            waiting.greenlet.throw if isinstance(result, Exception) else waiting.greenlet.switch
        )
        _continue(waiting.greenlet, waiting.ticket, resume(result), suspended)


def _stop_if_late(waiting: _Suspended, suspended: deque[_Suspended]) -> bool:
    """Stop a request that was cancelled or is past its deadline; return True if it was."""
    try:
        waiting.ticket.check()
    except Exception as error:  # noqa: BLE001  # the request's own
        _continue(waiting.greenlet, waiting.ticket, waiting.greenlet.throw(error), suspended)
        return True
    return False
