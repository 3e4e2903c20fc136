"""Where the rules end on the surfaces, and what they make of a small net."""

import math

import pytest
import torch

from training.course.descent import descend, loss_of, start
from training.course.digits import digits
from training.course.surfaces import SURFACES, Surface, end, gradient, walks
from training.course.updates import RULES, Descent

_BY_NAME = {surface.name.rpartition(": ")[2]: surface for surface in SURFACES}


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_gradients_vanish_where_minima_and_traps_are_said_to_be(surface: Surface) -> None:
    for point in (*surface.minima, *surface.traps):
        at = torch.tensor(point, dtype=torch.float64)
        assert gradient(surface, at).norm() < 1e-4
    heights = [float(surface.loss(torch.tensor(point))) for point in surface.minima]
    traps = [float(surface.loss(torch.tensor(point))) for point in surface.traps]
    assert max(heights) == pytest.approx(min(heights))
    assert all(height > heights[0] + 0.2 for height in traps)


def test_on_a_convex_surface_every_rule_arrives() -> None:
    bowl = _BY_NAME["a narrow bowl"]
    assert {end(bowl, path) for path in walks(bowl).values()} == {"minimum"}


def test_descent_stays_in_the_first_hollow_and_momentum_rolls_out_of_it() -> None:
    hollows = _BY_NAME["spurious minima"]
    ends = {name: end(hollows, path) for name, path in walks(hollows).items()}
    assert ends["gradient descent"] == "trap"
    assert ends["momentum"] == ends["Nesterov"] == "minimum"


def test_rules_that_scale_each_gradient_leave_a_saddle_at_once() -> None:
    walked = walks(_BY_NAME["a saddle"])
    stay = {name: int((path[:, 1].abs() < 0.5).sum()) for name, path in walked.items()}
    assert max(stay["Adagrad"], stay["RMSprop"], stay["Adam"]) < 10
    assert min(stay["gradient descent"], stay["momentum"], stay["Nesterov"]) > 50


def test_at_the_same_cost_smaller_batches_get_further() -> None:
    everything = descend("batch", Descent(1.0), 1297, 1, seed=0)
    few = descend("mini-batch", Descent(1.0), 32, 1, seed=0)
    assert (everything.steps, few.steps) == (1, 40)
    assert few.losses[-1] < 0.5 * everything.losses[-1]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_teaches_the_small_net(name: str) -> None:
    rate = {"Adagrad": 0.1, "RMSprop": 0.02, "Adam": 0.02}.get(name, 0.2)
    curve = descend(name, RULES[name](rate), 32, 1, seed=0)
    assert curve.losses[-1] < curve.losses[0] / 2


def test_the_small_nets_loss_is_torchs() -> None:
    theta, pictures = start(0), digits().train
    first, second = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    w1, b1, w2, b2 = torch.split(theta, [64 * 32, 32, 320, 10])
    with torch.no_grad():
        for layer, weight, bias in ((first, w1.view(64, 32), b1), (second, w2.view(32, 10), b2)):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias)
        logits = second(first(pictures.flat_NP).tanh())
    expected = torch.nn.functional.cross_entropy(logits, pictures.labels_N)
    torch.testing.assert_close(loss_of(theta, pictures), expected)
    assert float(expected) > math.log(10) / 2
