import pytest
import torch
from torch import nn

from training.optim.ema import ema_model


class _Counter(nn.Module):
    """One weight, one floating-point buffer, and one counter, as a batch norm has."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def become(self, value: float) -> None:
        self.weight.data.fill_(value)
        self.get_buffer("mean").fill_(10 * value)
        self.get_buffer("count").fill_(int(value))


def _averaged(values: list[float], decay: float) -> tuple[float, float, int]:
    network = _Counter()
    average = ema_model(network, decay)
    for value in values:
        network.become(value)
        average.update_parameters(network)
    module = average.module
    return (
        module.get_parameter("weight").item(),
        module.get_buffer("mean").item(),
        int(module.get_buffer("count").item()),
    )


def test_the_first_update_copies() -> None:
    assert _averaged([5.0], 0.999) == (5, 50, 5)


def test_early_updates_move_faster_than_the_decay() -> None:
    # By hand: after n updates the average moves by 9 / (10 + n), here 9/11 and then 9/12.
    second = 5 + 9 / 11 * (7 - 5)
    third = second + 9 / 12 * (1 - second)
    weight, mean, count = _averaged([5.0, 7.0, 1.0], 0.999)
    assert weight == pytest.approx(third)
    assert mean == pytest.approx(10 * third)
    assert count == 1


def test_late_updates_move_by_the_decay() -> None:
    # (1 + n) / (10 + n) passes 0.2 between n = 1 and n = 2, so all from the third on move by 0.8.
    expected = 5 + 9 / 11 * (7 - 5)
    for value in (1.0, 4.0):
        expected = 0.2 * expected + 0.8 * value
    assert _averaged([5.0, 7.0, 1.0, 4.0], 0.2)[0] == pytest.approx(expected)


def test_the_network_itself_is_left_alone() -> None:
    network = _Counter()
    average = ema_model(network, 0.9)
    network.become(3.0)
    average.update_parameters(network)
    network.become(4.0)
    assert network.weight.item() == 4
    assert average.module.get_parameter("weight").item() == 3
