"""Batch norm, dropout and depth: what the course says of them."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.course.batch_norm import (
    BatchNorm,
    build_convnet,
    fold,
    losses_by_mode,
    track_statistics,
    train_network,
)
from training.course.degradation import run_degradation
from training.course.digits import load_digit_splits
from training.course.dropout import (
    inverted_dropout,
    run_ablation,
    sample_unit_sums,
    scaled_at_test_dropout,
)
from training.networks.resnet import ResNet


def test_batch_norm_by_hand_is_torchs_in_both_modes() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3), nn.BatchNorm1d(3)
    for _ in range(5):
        x = torch.randn(8, 3) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([0.0, -2.0, 7.0])
        torch.testing.assert_close(ours.train(x), theirs(x).detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_variance, theirs.running_var)
    torch.testing.assert_close(ours.evaluate(x), theirs.eval()(x).detach(), rtol=1e-4, atol=1e-4)


def test_in_training_an_answer_depends_on_the_batch_and_in_evaluation_it_does_not() -> None:
    norm = BatchNorm(1)
    x = torch.tensor([[0.0], [2.0], [4.0]])
    # By hand: mean 2, variance 8/3; the average takes a tenth of 2 and of the unbiased 4.
    assert norm.train(x).flatten().tolist() == pytest.approx([-1.2247, 0, 1.2247], abs=1e-4)
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_variance.item() == pytest.approx(0.9 + 0.4)
    alone = norm.evaluate(x[:1])
    assert torch.equal(norm.evaluate(x)[:1], alone)
    assert alone.item() == pytest.approx(-0.2 / 1.3**0.5, abs=1e-4)


def test_running_averages_arrive_at_what_they_average() -> None:
    seen = track_statistics(steps=100)
    assert seen["running deviation"][0] < 0.7 * seen["true deviation"][0]  # it starts at one
    assert seen["running deviation"][-1] == pytest.approx(seen["true deviation"][-1], rel=0.1)
    assert seen["running mean"][-1] == pytest.approx(seen["true mean"][-1], abs=0.2)


def test_a_norm_lets_a_net_learn_at_a_rate_that_it_cannot_bear_without() -> None:
    with_norm = [train_network(place, 0.3, epochs=2) for place in ("before ReLU", "after ReLU")]
    _, without = train_network("none", 0.3, epochs=2)
    assert max(losses[-1] for _, losses in with_norm) < 1.0
    assert not without[-1] < 2.0  # the loss stays constant or becomes NaN


def test_measuring_in_training_mode_leaves_the_running_averages_alone() -> None:
    network, images = (
        build_convnet("before ReLU"),
        load_digit_splits().test.subset(torch.arange(40)),
    )
    before = copy.deepcopy(network.state_dict())
    batch, running = losses_by_mode(network, images, 4)
    assert batch != running
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("settings", [{"bias": False}, {"stride": 2, "padding": 1}, {"groups": 2}])
def test_a_folded_norm_computes_the_same(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(4, 6, 3, **settings), nn.BatchNorm2d(6)
    x = torch.randn(8, 4, 9, 9) * 3 + 1
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
        norm(convolution(x))  # running averages that are not zero and one
        folded = fold(convolution, norm.eval())
        torch.testing.assert_close(folded(x), norm(convolution(x)), rtol=1e-5, atol=1e-5)
        theirs = fuse_conv_bn_eval(convolution.eval(), norm)
    torch.testing.assert_close(folded.weight, theirs.weight)
    torch.testing.assert_close(folded.bias, theirs.bias)


def test_norms_that_cannot_be_folded_are_rejected() -> None:
    with pytest.raises(ValueError, match="the norm has 5 channels, the convolution before it 6"):
        fold(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(5))
    with pytest.raises(ValueError, match="running averages"):
        fold(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, track_running_stats=False))


@pytest.mark.parametrize("drop", [0.2, 0.5, 0.8])
def test_both_dropouts_give_on_average_in_training_what_they_give_after(drop: float) -> None:
    for drawn, evaluated in sample_unit_sums(drop, draws=4000).values():
        deviation_of_mean = float(drawn.std()) / len(drawn) ** 0.5
        assert abs(float(drawn.mean()) - evaluated) < 4 * deviation_of_mean


def test_with_the_same_mask_the_two_differ_by_a_factor() -> None:
    x = torch.rand(1000)

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    first = scaled_at_test_dropout(x, 0.3, training=True, generator=generator())
    second = inverted_dropout(x, 0.3, training=True, generator=generator())
    torch.testing.assert_close(first / 0.7, second)
    torch.testing.assert_close(
        scaled_at_test_dropout(x, 0.3, training=False) / 0.7,
        inverted_dropout(x, 0.3, training=False),
    )
    assert (second == 0).float().mean() == pytest.approx(0.3, abs=0.06)


def test_inverted_dropout_is_torchs() -> None:
    ones = torch.ones(100_000)
    theirs = nn.Dropout(0.3)(ones)
    ours = inverted_dropout(ones, 0.3, training=True)
    assert set(torch.unique(theirs).tolist()) == set(torch.unique(ours).tolist())
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.02)


def test_dropout_keeps_a_net_from_learning_wrong_labels_by_heart() -> None:
    without, with_it = run_ablation(0.0, epochs=20), run_ablation(0.5, epochs=20)
    assert without.train_accuracy > with_it.train_accuracy + 0.05
    assert with_it.test_accuracy > without.test_accuracy + 0.01


def test_depth_harms_plain_nets_and_not_residual_ones() -> None:
    def last_loss(depth: int, *, residual: bool) -> float:
        settled = run_degradation(depth, residual=residual, epochs=2)  # type: ignore[arg-type]
        return settled.losses[-1]

    plain = {depth: last_loss(depth, residual=False) for depth in (20, 44)}
    deep_residual = last_loss(44, residual=True)
    assert plain[44] > plain[20] + 0.1
    assert deep_residual < plain[20]


def test_plain_and_residual_nets_have_the_same_parameters() -> None:
    def names(*, residual: bool) -> dict[str, torch.Size]:
        config = ResNet.Config(depth=20, stem="cifar", classes=10, width=4, residual=residual)
        return {name: value.shape for name, value in config.build().state_dict().items()}

    assert names(residual=True) == names(residual=False)
