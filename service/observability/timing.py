"""Timing of a request's stages: queue, decoding, computation, encoding.

Code of a stage is wrapped in `stage` or `timed`; outside of requests that costs one look-up of a
context variable. Threads that work for a request must run in the request's context.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar

Stage = Literal["queue", "decode", "run", "encode"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MAX_INTERVALS = 256
"""Most spans kept one by one; an image of many tiles has more, which are only summed."""


class RequestTimings:
    """The stages of one request. Times are of `time.monotonic`, in seconds."""

    __slots__ = ("intervals", "seconds")

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}
        """Total seconds by stage; stages that never ran are missing."""
        self.intervals: list[tuple[Stage, float, float]] = []
        """Each stage with its start and end."""

    def add(self, name: Stage, start: float, end: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + end - start
        if len(self.intervals) < _MAX_INTERVALS:
            self.intervals.append((name, start, end))


_current_timings: ContextVar[RequestTimings | None] = ContextVar("stages", default=None)


@contextmanager
def record_timings() -> Iterator[RequestTimings]:
    """Yield timings to which the stages of this context are added within the block."""
    timings = RequestTimings()
    token = _current_timings.set(timings)
    try:
        yield timings
    finally:
        _current_timings.reset(token)


def current_timings() -> RequestTimings | None:
    """Return the timings of this context's request; None outside of requests."""
    return _current_timings.get()


class stage:  # noqa: N801  # reads like a statement, as contextlib's do
    """`with stage("decode"): …` adds the block's time."""

    __slots__ = ("_name", "_start", "_timings")

    def __init__(self, name: Stage) -> None:
        self._name: Stage = name
        self._timings = _current_timings.get()
        self._start = 0.0

    def __enter__(self) -> None:
        if self._timings is not None:
            self._start = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timings is not None:
            self._timings.add(self._name, self._start, time.monotonic())


def timed(name: Stage) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a function so that every call of it counts as the stage."""

    def wrap(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def inner(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with stage(name):
                return function(*args, **kwargs)

        return inner

    return wrap
