"""Optimizers on test surfaces and on a small network."""

import math

import pytest
import torch

from training.course.descent import compute_loss, initial_parameters, train_with_rule
from training.course.digits import load_digit_splits
from training.course.surfaces import (
    SURFACES,
    Surface,
    classify_endpoint,
    gradient,
    run_all_optimizers,
)
from training.course.updates import UPDATE_RULES, GradientDescent

_BY_NAME = {surface.name.rpartition(": ")[2]: surface for surface in SURFACES}


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_gradients_vanish_at_the_stated_minima_and_traps(surface: Surface) -> None:
    for point in (*surface.minima, *surface.traps):
        at = torch.tensor(point, dtype=torch.float64)
        assert gradient(surface, at).norm() < 1e-4
    heights = [float(surface.loss(torch.tensor(point))) for point in surface.minima]
    traps = [float(surface.loss(torch.tensor(point))) for point in surface.traps]
    assert max(heights) == pytest.approx(min(heights))
    assert all(height > heights[0] + 0.2 for height in traps)


def test_on_a_convex_surface_every_rule_arrives() -> None:
    bowl = _BY_NAME["a narrow bowl"]
    assert {classify_endpoint(bowl, path) for path in run_all_optimizers(bowl).values()} == {
        "minimum"
    }


def test_descent_stays_in_the_first_hollow_and_momentum_rolls_out_of_it() -> None:
    hollows = _BY_NAME["spurious minima"]
    ends = {
        name: classify_endpoint(hollows, path) for name, path in run_all_optimizers(hollows).items()
    }
    assert ends["gradient descent"] == "trap"
    assert ends["momentum"] == ends["Nesterov"] == "minimum"


def test_rules_that_scale_each_gradient_leave_a_saddle_at_once() -> None:
    walked = run_all_optimizers(_BY_NAME["a saddle"])
    stay = {name: int((path[:, 1].abs() < 0.5).sum()) for name, path in walked.items()}
    assert max(stay["Adagrad"], stay["RMSprop"], stay["Adam"]) < 10
    assert min(stay["gradient descent"], stay["momentum"], stay["Nesterov"]) > 50


def test_at_the_same_cost_smaller_batches_get_further() -> None:
    everything = train_with_rule("batch", GradientDescent(1.0), 1297, 1, seed=0)
    few = train_with_rule("mini-batch", GradientDescent(1.0), 32, 1, seed=0)
    assert (everything.steps, few.steps) == (1, 40)
    assert few.losses[-1] < 0.5 * everything.losses[-1]


@pytest.mark.parametrize("name", UPDATE_RULES)
def test_every_rule_teaches_the_small_net(name: str) -> None:
    rate = {"Adagrad": 0.1, "RMSprop": 0.02, "Adam": 0.02}.get(name, 0.2)
    curve = train_with_rule(name, UPDATE_RULES[name](rate), 32, 1, seed=0)
    assert curve.losses[-1] < curve.losses[0] / 2


def test_the_small_nets_loss_is_torchs() -> None:
    theta, images = initial_parameters(0), load_digit_splits().train
    first, second = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    w1, b1, w2, b2 = torch.split(theta, [64 * 32, 32, 320, 10])
    with torch.no_grad():
        for layer, weight, bias in ((first, w1.view(64, 32), b1), (second, w2.view(32, 10), b2)):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias)
        logits = second(first(images.images_NCHW.flatten(1)).tanh())
    expected = torch.nn.functional.cross_entropy(logits, images.labels_N)
    torch.testing.assert_close(compute_loss(theta, images), expected)
    assert float(expected) > math.log(10) / 2
