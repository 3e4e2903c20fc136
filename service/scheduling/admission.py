"""Admission control: a request takes one of a bounded number of slots, or is rejected.

It is independent of how the work is done: threads (`pool.py`) and a batcher can share it.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import DeadlineExceeded, Overloaded
from service.observability.timing import Stage, current_timings

Clock = Callable[[], float]

_MAX_RETRY_AFTER_S = 60
_SMOOTHING = 0.1


class RequestCancelled(Exception):  # not an error: the client has disconnected
    """The client disconnected; the response is not needed."""


@dataclass(frozen=True)
class AdmissionCounters:
    """Counters of requests. `admitted - finished - dropped` are waiting or running."""

    admitted: int = 0
    rejected: int = 0
    """No slot was free."""
    started: int = 0
    finished: int = 0
    """The work ended, with a result or an error."""
    dropped: int = 0
    """Never started: cancelled, or past the deadline, while waiting."""


class Ticket:
    """One request's slot. Created by `AdmissionController.admit`, returned with `release`."""

    __slots__ = (
        "_admission",
        "_admitted_at",
        "_cancelled",
        "_clock",
        "_closed",
        "_started_at",
        "_timings",
        "deadline",
    )

    def __init__(self, admission: "AdmissionController", clock: Clock, deadline: float) -> None:
        """`deadline` is a time of `clock`, in seconds."""
        self._admission = admission
        self._clock = clock
        self._cancelled = False
        self._closed = False
        self._admitted_at = clock()
        self._started_at: float | None = None
        self._timings = current_timings()
        self.deadline = deadline

    @property
    def remaining_s(self) -> float:
        return self.deadline - self._clock()

    @property
    def deadline_s(self) -> float:
        """Seconds that a request may take from its arrival."""
        return self._admission.deadline_s

    @property
    def deadline_message(self) -> str:
        return self._admission.deadline_message

    def cancel(self) -> None:
        """Cancel the work. Work that has started notices it at its next `check`."""
        self._cancelled = True

    def check(self) -> None:
        """Stop work that is no longer needed; called between its steps.

        Raises:
            RequestCancelled: the client has disconnected.
            DeadlineExceeded: the deadline has passed.
        """
        if self._cancelled:
            raise RequestCancelled
        if self._clock() >= self.deadline:
            raise DeadlineExceeded(self.deadline_message)

    def start(self) -> None:
        """Mark that the work begins. Raises what `check` raises."""
        self.check()
        self._started_at = self._clock()
        self._record_stage("queue", self._admitted_at, self._started_at)
        self._admission._start()  # noqa: SLF001  # a ticket belongs to its controller

    def record_run(self) -> None:
        """Record the time since `start` as inference.

        For work that many requests share, where no run belongs to one of them.
        """
        if self._started_at is not None:
            self._record_stage("run", self._started_at, self._clock())

    def _record_stage(self, name: Stage, start: float, end: float) -> None:
        if self._timings is not None:
            self._timings.add(name, start, end)

    def release(self) -> None:
        """Return the slot; a second call does nothing."""
        if not self._closed:
            self._closed = True
            ran_s = None if self._started_at is None else self._clock() - self._started_at
            self._admission._release(ran_s)  # noqa: SLF001


class AdmissionController:
    """Admits at most `running + waiting` requests at a time. Safe to use from any thread."""

    def __init__(
        self, *, running: int, waiting: int, deadline_s: float, clock: Clock = time.monotonic
    ) -> None:
        """`running` requests run at the same time. `clock` must be monotonic, in seconds."""
        self._running = running
        self._capacity = running + waiting
        self.deadline_s = deadline_s
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = 0
        self._mean_s = 0.0
        # Plain numbers: a new `AdmissionCounters` at every step takes 20 µs of a request.
        self._admitted = self._rejected = self._started = self._finished = self._dropped = 0

    @property
    def counters(self) -> AdmissionCounters:
        with self._lock:
            return AdmissionCounters(
                self._admitted, self._rejected, self._started, self._finished, self._dropped
            )

    @property
    def in_flight(self) -> int:
        """Number of requests that wait or run."""
        return self._in_flight

    @property
    def capacity(self) -> int:
        """Largest number of requests that may wait or run."""
        return self._capacity

    @property
    def available(self) -> int:
        """Number of requests that would be admitted now."""
        return self._capacity - self._in_flight

    def expected_starts_within(self, seconds: float) -> int:
        """Estimate how many requests of a full queue start within `seconds`."""
        if not self._mean_s:
            return self._capacity
        begun = self._running * (1 + seconds / self._mean_s)
        return min(math.ceil(begun), self._capacity)

    @property
    def deadline_message(self) -> str:
        return f"the response was not ready within {self.deadline_s:g} s of the request's arrival"

    def now(self) -> float:
        """Return the time of the controller's clock, which arrival times use."""
        return self._clock()

    def remaining_s(self, arrived: float) -> float:
        """Return the seconds until a request's deadline."""
        return arrived + self.deadline_s - self._clock()

    def raise_if_full(self) -> None:
        """Check for capacity early, before a body is read; a later `admit` may still reject.

        Raises:
            Overloaded: no capacity is left.
        """
        with self._lock:
            self._raise_if_full()

    def reject(self) -> Overloaded:
        """Count a request that the caller rejected, and return the error."""
        with self._lock:
            return self._reject()

    def admit(self, arrived: float) -> Ticket:
        """Take a slot for a request that arrived then.

        Raises:
            Overloaded: every slot is taken.
            DeadlineExceeded: the deadline had passed on arrival.
        """
        with self._lock:
            self._raise_if_full()
            self._in_flight += 1
            self._admitted += 1
        ticket = Ticket(self, self._clock, arrived + self.deadline_s)
        try:
            ticket.check()
        except BaseException:
            ticket.release()
            raise
        return ticket

    def _raise_if_full(self) -> None:
        if self._in_flight >= self._capacity:
            raise self._reject()

    def _reject(self) -> Overloaded:
        self._rejected += 1
        waiting = self._capacity - self._running
        return Overloaded(
            f"the queue is full: {self._running} requests running, {waiting} waiting",
            retry_after_s=self._retry_after_s(),
        )

    def _retry_after_s(self) -> int:
        """Estimate the seconds until all present requests have finished."""
        seconds = math.ceil(self._in_flight * self._mean_s / self._running)
        return min(max(seconds, 1), _MAX_RETRY_AFTER_S)

    def _release(self, ran_s: float | None) -> None:
        with self._lock:
            self._in_flight -= 1
            if ran_s is None:
                self._dropped += 1
            else:
                self._finished += 1
                first = self._finished == 1
                self._mean_s += (ran_s - self._mean_s) * (1.0 if first else _SMOOTHING)

    def _start(self) -> None:
        with self._lock:
            self._started += 1
