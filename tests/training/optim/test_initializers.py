import math
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from training.optim.initializers import Initializer

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Initializer)


def _apply(**settings: Any) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(32, 128, 3), nn.BatchNorm2d(128), nn.Flatten(), nn.Linear(128, 400)
    )
    _ADAPTER.validate_python(settings).apply(network)
    return network


def _weights(network: nn.Sequential) -> list[Tensor]:
    """36,864 and 51,200 of them: their deviation is off by 0.4 %, one standard error."""
    return [network.get_parameter("0.weight"), network.get_parameter("3.weight")]


@pytest.mark.parametrize(
    "settings",
    [{"kind": kind} for kind in ("zeros", "constant", "normal", "uniform", "glorot", "he")],
    ids=lambda settings: settings["kind"],
)
def test_biases_are_zero_and_norms_keep_scale_one(settings: dict[str, Any]) -> None:
    network = _apply(**settings)
    for name in ("0.bias", "3.bias", "1.bias"):
        assert not network.get_parameter(name).any()
    assert torch.equal(network.get_parameter("1.weight"), torch.ones(128))


def test_zeros_and_constant_fill_with_one_value() -> None:
    for weight in _weights(_apply(kind="zeros")):
        assert not weight.any()
    for weight in _weights(_apply(kind="constant", value=0.3)):
        assert torch.equal(weight, torch.full_like(weight, 0.3))


def test_normal_has_the_deviation_it_is_given() -> None:
    for weight in _weights(_apply(kind="normal", std=0.2)):
        assert weight.std().item() == pytest.approx(0.2, rel=0.02)
        assert weight.mean().item() == pytest.approx(0, abs=0.005)
        assert weight.abs().max().item() > 0.6


def test_uniform_fills_its_interval() -> None:
    for weight in _weights(_apply(kind="uniform", bound=0.2)):
        assert weight.abs().max().item() == pytest.approx(0.2, rel=0.01)
        assert weight.abs().max().item() <= 0.2
        assert weight.std().item() == pytest.approx(0.2 / math.sqrt(3), rel=0.02)


# Fans of the convolution: 32 × 9 in, 128 × 9 out; of the linear layer: 128 in, 400 out.
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize(
    ("settings", "variances"),
    [
        ({"kind": "he", "fan": "in"}, (2 / 288, 2 / 128)),
        ({"kind": "he", "fan": "out"}, (2 / 1152, 2 / 400)),
        ({"kind": "glorot"}, (2 / (288 + 1152), 2 / (128 + 400))),
    ],
)
def test_deviations_are_those_of_the_papers(
    settings: dict[str, Any], variances: tuple[float, float], distribution: str
) -> None:
    weights = _weights(_apply(**settings, distribution=distribution))
    for weight, variance in zip(weights, variances, strict=True):
        assert weight.std().item() == pytest.approx(math.sqrt(variance), rel=0.02)
        # A uniform distribution ends at √3 deviations, a normal one of this size beyond 3.5.
        reach = weight.abs().max().item() / math.sqrt(variance)
        assert reach <= math.sqrt(3) * 1.001 if distribution == "uniform" else reach > 3.5


def test_the_seed_decides_the_weights() -> None:
    first, again = _weights(_apply(kind="he")), _weights(_apply(kind="he"))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
