import math

import pytest
import torch
from torch import nn

from training.course.digits import load_digit_splits
from training.course.initialisation import (
    SCHEMES,
    ActivationKind,
    SignalMagnitudes,
    build_deep_network,
    measure_signals,
    train_network,
)

UNITS: tuple[ActivationKind, ...] = ("tanh", "relu")


def _signals(unit: ActivationKind, scheme: str) -> SignalMagnitudes:
    return measure_signals(build_deep_network(unit, SCHEMES[scheme]), load_digit_splits().train)


@pytest.mark.parametrize("unit", UNITS)
def test_zeros_do_not_learn(unit: ActivationKind) -> None:
    before = _signals(unit, "zeros")
    assert before.activations == before.gradients == [0.0] * 10
    # Only the last biases move: to the classes' shares, whose entropy is all but ln 10.
    assert train_network(unit, SCHEMES["zeros"], epochs=2)[-1] == pytest.approx(
        math.log(10), abs=2e-3
    )


def test_a_constant_start_leaves_the_units_of_a_layer_the_same() -> None:
    network = build_deep_network("tanh", SCHEMES["constant 0.01"])
    images = load_digit_splits().train.subset(torch.arange(64))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        logits = network(images.images_NCHW)
        nn.functional.cross_entropy(logits, images.labels_N).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    first = network.get_submodule("1")
    assert isinstance(first, nn.Linear)
    torch.testing.assert_close(first.weight, first.weight[:1].expand_as(first.weight))
    assert first.weight.std() > 0  # though it did move, by its inputs


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("scheme", ["normal, σ = 0.01", "uniform, ±0.01"])
def test_small_weights_let_signals_die_out(unit: ActivationKind, scheme: str) -> None:
    before = _signals(unit, scheme)
    assert before.activations[-1] < 1e-8 * before.activations[0]
    assert max(before.gradients) < 1e-10


def test_he_keeps_the_size_of_activations_behind_relu_where_glorot_halves_it() -> None:
    he, glorot = _signals("relu", "He"), _signals("relu", "Glorot")
    assert 0.5 < he.activations[-1] / he.activations[0] < 2
    # Half the squares are lost in each of nine layers (He et al. 2015, 1502.01852, section 2.2).
    assert glorot.activations[-1] / glorot.activations[0] == pytest.approx(2**-4.5, rel=0.5)


def test_glorot_keeps_signals_of_tanh_alive_in_both_directions() -> None:
    before = _signals("tanh", "Glorot")
    assert min(before.activations) > 0.15
    assert max(before.gradients) < 3 * min(before.gradients)
