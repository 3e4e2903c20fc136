import pytest

from service.errors import DeadlineExceeded, Overloaded
from service.scheduling.admission import AdmissionController, AdmissionCounters, RequestCancelled


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _admission(
    clock: Clock, running: int = 1, waiting: int = 1, deadline_s: float = 10
) -> AdmissionController:
    return AdmissionController(running=running, waiting=waiting, deadline_s=deadline_s, clock=clock)


def test_requests_beyond_the_capacity_are_rejected() -> None:
    controller = _admission(Clock(), running=2, waiting=3)
    tickets = [controller.admit(1000) for _ in range(5)]
    with pytest.raises(Overloaded):
        controller.admit(1000)
    with pytest.raises(Overloaded):
        controller.raise_if_full()
    assert controller.in_flight == 5
    tickets[0].release()
    controller.raise_if_full()
    controller.admit(1000)
    assert controller.counters == AdmissionCounters(admitted=6, rejected=2, dropped=1)


def test_no_queue_at_all_is_a_choice() -> None:
    controller = _admission(Clock(), waiting=0)
    controller.admit(1000)
    with pytest.raises(Overloaded):
        controller.admit(1000)


def test_slot_is_released_once() -> None:
    controller = _admission(Clock())
    ticket = controller.admit(1000)
    ticket.release()
    ticket.release()
    assert controller.in_flight == 0


def test_the_deadline_counts_from_arrival_not_from_admission() -> None:
    clock = Clock()
    controller = _admission(clock, deadline_s=10)
    clock.now_s = 1007
    ticket = controller.admit(arrived=1000)
    assert ticket.remaining_s == 3
    ticket.check()
    clock.now_s = 1010
    with pytest.raises(DeadlineExceeded, match="10 s"):
        ticket.check()


def test_request_past_its_deadline_is_not_admitted() -> None:
    clock = Clock()
    controller = _admission(clock, deadline_s=10)
    clock.now_s = 1011
    with pytest.raises(DeadlineExceeded):
        controller.admit(arrived=1000)
    assert controller.in_flight == 0


def test_cancelled_work_never_starts_or_stops_at_its_next_check() -> None:
    controller = _admission(Clock())
    waiting, running = controller.admit(1000), controller.admit(1000)
    running.start()
    for ticket in (waiting, running):
        ticket.cancel()
    with pytest.raises(RequestCancelled):
        waiting.start()
    with pytest.raises(RequestCancelled):
        running.check()
    for ticket in (waiting, running):
        ticket.release()
    assert controller.counters == AdmissionCounters(admitted=2, started=1, finished=1, dropped=1)


@pytest.mark.parametrize(
    ("took_s", "places", "expected_s"),
    [(0.01, 2, 1), (4.0, 2, 8), (2.4, 3, 8), (1000.0, 2, 60)],
)
def test_retry_after_is_when_those_inside_will_be_done(
    took_s: float, places: int, expected_s: int
) -> None:
    clock = Clock()
    controller = _admission(clock, running=1, waiting=places - 1, deadline_s=1e6)
    first = controller.admit(1000)
    first.start()
    clock.now_s += took_s
    first.release()
    for _ in range(places):
        controller.admit(1000)
    with pytest.raises(Overloaded) as raised:
        controller.admit(1000)
    assert raised.value.headers == {"Retry-After": str(expected_s)}


@pytest.mark.parametrize(
    ("took_s", "begun"),
    # Two computing, and each takes another one when it is done; of 12 places at the most.
    [(0.25, 10), (0.5, 6), (1.0, 4), (100.0, 3), (0.03125, 12)],
)
def test_expected_starts_within_a_duration(took_s: float, begun: int) -> None:
    clock = Clock()
    controller = _admission(clock, running=2, waiting=10, deadline_s=1e6)
    assert (
        controller.expected_starts_within(1.0) == controller.capacity == 12
    )  # nothing was measured
    ticket = controller.admit(1000)
    ticket.start()
    clock.now_s += took_s
    ticket.release()
    assert controller.expected_starts_within(1.0) == begun


def test_before_anything_was_measured_retry_after_is_one_second() -> None:
    controller = _admission(Clock(), waiting=0)
    controller.admit(1000)
    with pytest.raises(Overloaded) as raised:
        controller.admit(1000)
    assert raised.value.retry_after_s == 1
