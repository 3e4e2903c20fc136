import copy
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from training.optim.schedules import Schedule

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Schedule)
_RATE, _STEPS, _EPOCHS = 0.5, 10, 4

SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": {},
    "step": {"every_epochs": 1},
    "exponential": {},
    "cosine": {},
    "cyclic": {},
    "one_cycle": {},
}


def _build(settings: dict[str, Any]) -> tuple[torch.optim.Optimizer, Any]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=_RATE)
    return optimizer, _ADAPTER.validate_python(settings).build(optimizer, _STEPS, _EPOCHS)


def _rates(**settings: Any) -> list[float]:
    """Return the rate at each step as a fraction of the optimizer's, and after the last one."""
    optimizer, schedule = _build(settings)
    rates = [optimizer.param_groups[0]["lr"] / _RATE]
    for _ in range(_STEPS * _EPOCHS):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"] / _RATE)
    return rates


def test_constant_stays() -> None:
    assert _rates(kind="constant") == [1.0] * 41


def test_linear_is_a_straight_line_to_zero_from_the_rate_of_each_group() -> None:
    one, other = nn.Linear(1, 1), nn.Linear(1, 1)
    groups = [{"params": one.parameters(), "lr": 0.4}, {"params": other.parameters(), "lr": 0.02}]
    optimizer = torch.optim.SGD(groups)
    schedule = _ADAPTER.validate_python({"kind": "linear"}).build(optimizer, _STEPS, _EPOCHS)
    for _ in range(10):
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.3, 0.015])
    assert _rates(kind="linear")[-1] == pytest.approx(0, abs=1e-12)


def test_step_multiplies_at_whole_epochs() -> None:
    rates = _rates(kind="step", every_epochs=2, gamma=0.1)
    assert rates == pytest.approx([1.0] * 20 + [0.1] * 20 + [0.01])


def test_exponential_multiplies_once_an_epoch_spread_over_its_steps() -> None:
    rates = _rates(kind="exponential", gamma=0.5)
    assert rates[::_STEPS] == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625])
    assert rates[5] == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("final", [0.0, 0.2])
def test_cosine_is_halfway_at_half_time(final: float) -> None:
    rates = _rates(kind="cosine", final=final)
    # Loshchilov and Hutter 2017, equation 5
    expected = [final + (1 - final) * (1 + math.cos(math.pi * t / 40)) / 2 for t in range(41)]
    assert rates == pytest.approx(expected, abs=1e-9)
    assert rates[20] == pytest.approx((1 + final) / 2)


def test_cyclic_goes_up_and_down_in_triangles() -> None:
    rates = _rates(kind="cyclic", lowest=0.2, cycle_epochs=2)
    up = [0.2 + 0.08 * step for step in range(10)]
    down = [1 - 0.08 * step for step in range(10)]
    assert rates == pytest.approx((up + down) * 2 + [0.2])


@pytest.mark.parametrize("anneal", ["linear", "cosine"])
@pytest.mark.parametrize("peak", [0.25, 0.5])
def test_one_cycle_peaks_at_the_configured_fraction_and_ends_near_zero(
    anneal: str, peak: float
) -> None:
    rates = _rates(kind="one_cycle", peak=peak, start=0.04, anneal=anneal)
    assert rates[0] == pytest.approx(0.04)
    assert rates.index(max(rates)) == pytest.approx(peak * 40, abs=1)
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert 0 <= rates[-1] < 1e-4
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_one_cycle_is_a_straight_line_when_linear() -> None:
    rates = _rates(kind="one_cycle", peak=0.5, anneal="linear")
    ups = [after - before for before, after in pairwise(rates[:19])]
    assert ups == pytest.approx([ups[0]] * len(ups))


def test_warm_up_rises_from_a_hundredth_to_the_rate() -> None:
    rates = _rates(kind="constant", warmup_epochs=2)
    assert rates[0] == pytest.approx(0.01)
    assert rates[10] == pytest.approx((0.01 + 1) / 2)
    assert rates[20:] == pytest.approx([1.0] * 21)


def test_the_schedule_after_a_warm_up_has_the_remaining_steps() -> None:
    rates = _rates(kind="cosine", warmup_epochs=2)
    assert rates[20] == pytest.approx(1)
    assert rates[30] == pytest.approx(0.5)
    assert rates[40] == pytest.approx(0, abs=1e-9)


def test_a_warm_up_leads_to_where_one_cycle_starts() -> None:
    rates = _rates(kind="one_cycle", warmup_epochs=1, start=0.1)
    assert rates[0] == pytest.approx(0.001)
    assert rates[10] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("warmup", [0, 0.5, 1.33, 4, 9])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_no_schedule_runs_out_of_steps_or_above_the_rate(kind: str, warmup: float) -> None:
    rates = _rates(kind=kind, warmup_epochs=warmup, **SCHEDULES[kind])
    assert len(rates) == 41
    assert min(rates) > -1e-12
    assert max(rates) < 1 + 1e-9


@pytest.mark.parametrize("warmup", [0, 1.5])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_that_is_resumed_goes_on_as_it_would_have(kind: str, warmup: float) -> None:
    settings = {"kind": kind, "warmup_epochs": warmup, **SCHEDULES[kind]}
    optimizer, schedule = _build(settings)
    for _ in range(17):
        optimizer.step()
        schedule.step()
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))

    optimizer, schedule = _build(settings)
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    rates = []
    for _ in range(17, 40):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"] / _RATE)
    assert rates == pytest.approx(_rates(**settings)[18:], abs=1e-12)
