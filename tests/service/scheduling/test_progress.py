"""Work that its measured pace shows to miss the deadline is stopped early."""

import pytest

from service.errors import ContentTooLarge, DeadlineExceeded
from service.scheduling.admission import AdmissionController, Ticket
from service.scheduling.progress import Progress


class Clock:
    """A clock that tests advance."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _admit(clock: Clock, waited_s: float = 0.0) -> Ticket:
    admission = AdmissionController(running=1, waiting=1, deadline_s=60, clock=clock)
    return admission.admit(clock.now_s - waited_s)


def _do(progress: Progress, clock: Clock, units: int, seconds: float) -> None:
    with progress.step(units):
        clock.now_s += seconds


def test_work_that_no_request_has_time_for_is_too_large_and_told_what_fits() -> None:
    clock = Clock()
    progress = Progress(_admit(clock), total=100, pixels=12_000_000)
    with pytest.raises(ContentTooLarge) as caught:
        _do(progress, clock, units=1, seconds=1.25)
    assert caught.value.detail == (
        "12,000,000 pixels would take 125 s, and the deadline is 60 s; send at most 5,760,000 "
        "pixels in a request"
    )
    assert caught.value.extra == {"estimated_s": 125, "deadline_s": 60, "max_pixels": 5_760_000}


def test_work_that_only_its_wait_made_late_exceeds_the_deadline_at_once() -> None:
    clock = Clock()
    progress = Progress(_admit(clock, waited_s=30), total=40, pixels=12_000_000)
    with pytest.raises(DeadlineExceeded, match=r"rest would take 39 s.*has 29 s left of 60 s"):
        _do(progress, clock, units=1, seconds=1)


def test_an_estimate_little_over_the_deadline_does_not_stop_work_that_then_speeds_up() -> None:
    clock = Clock()
    progress = Progress(_admit(clock), total=40, pixels=12_000_000)
    _do(progress, clock, units=1, seconds=1.75)
    for _ in range(39):
        _do(progress, clock, units=1, seconds=1)
    assert clock.now_s == 1040.75


def test_work_that_fits_runs_to_its_end() -> None:
    clock = Clock()
    progress = Progress(_admit(clock, waited_s=19), total=40, pixels=12_000_000)
    for _ in range(40):
        _do(progress, clock, units=1, seconds=1)
    assert clock.now_s == 1040


def test_a_short_pause_at_the_start_decides_nothing() -> None:
    clock = Clock()
    progress = Progress(_admit(clock), total=1000, pixels=1_000_000)
    _do(progress, clock, units=1, seconds=0.5)
    for _ in range(999):
        _do(progress, clock, units=1, seconds=0.01)


def test_time_between_steps_is_not_counted_as_pace() -> None:
    clock = Clock()
    progress = Progress(_admit(clock), total=10, pixels=1)
    clock.now_s += 20
    _do(progress, clock, units=1, seconds=4)
    assert clock.now_s == 1024
