"""Requirements of every network; a new family adds its line to the table."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from training.networks import NetworkConfig

# Smallest settings of each, the shape of its input, and the shape of what it gives.
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]] = {
    f"resnet-{depth}": (
        {"kind": "resnet", "depth": depth, "stem": "imagenet", "width": 8, "classes": 5},
        (2, 3, 64, 64),
        (2, 5),
    )
    for depth in (18, 34, 50, 101, 152)
}
NETWORKS |= {
    f"resnet-{depth}": (
        {"kind": "resnet", "depth": depth, "stem": "cifar", "width": 4, "classes": 5},
        (2, 3, 16, 16),
        (2, 5),
    )
    for depth in (20, 32, 44, 56, 110)
}
NETWORKS |= {
    "resnet-20-grey-projecting": (
        {
            "kind": "resnet", "depth": 20, "stem": "cifar", "width": 4, "classes": 5,
            "in_channels": 1, "shortcut": "B",
        },
        (2, 1, 16, 16),
        (2, 5),
    ),
    "resnet-50-padding": (
        {
            "kind": "resnet", "depth": 50, "stem": "imagenet", "width": 8, "classes": 5,
            "shortcut": "A", "stride_in_1x1": True,
        },
        (2, 3, 64, 64),
        (2, 5),
    ),
    "mobilenet": (
        {"kind": "mobilenet", "classes": 5, "width": 0.25, "dropout": 0},
        (2, 3, 64, 64),
        (2, 5),
    ),
    "mobilenet-tf-same": (
        {"kind": "mobilenet", "classes": 5, "width": 0.25, "dropout": 0, "padding": "tf-same"},
        (2, 3, 64, 64),
        (2, 5),
    ),
    "airbench": (
        {"kind": "airbench", "widths": [6, 8, 10], "classes": 5},
        (4, 3, 16, 16),
        (4, 5),
    ),
    "autoencoder-dense": (
        {"kind": "dense-autoencoder", "side": 8, "widths": [16, 12], "latents": 5},
        (2, 1, 8, 8),
        (2, 1, 8, 8),
    ),
    "autoencoder-conv": (
        {"kind": "conv-autoencoder", "side": 8, "channels": 3, "widths": [4, 6], "latents": 5},
        (2, 3, 8, 8),
        (2, 3, 8, 8),
    ),
    "denoiser-grey": (
        {"kind": "denoiser", "widths": [4, 8, 12]},
        (2, 1, 20, 28),
        (2, 1, 20, 28),
    ),
    "denoiser-colour": (
        {"kind": "denoiser", "channels": 3, "widths": [4, 8], "convolutions": 1},
        (2, 3, 10, 6),
        (2, 3, 10, 6),
    ),
    "photo-denoiser": (
        {"kind": "photo-denoiser", "widths": [4, 6, 8], "blocks": [1, 2, 1]},
        (2, 3, 16, 24),
        (2, 3, 16, 24),
    ),
    "photo-denoiser-one-level": (
        {"kind": "photo-denoiser", "channels": 1, "widths": [4], "blocks": [2]},
        (2, 1, 6, 10),
        (2, 1, 6, 10),
    ),
}  # fmt: skip

_ADAPTER: TypeAdapter[Any] = TypeAdapter(NetworkConfig)


def _build(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    content, shape, _ = NETWORKS[name]
    return _ADAPTER.validate_python(content).build(), torch.rand(shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_gives_the_promised_shape(name: str) -> None:
    network, inputs = _build(name)
    with torch.inference_mode():
        outputs = network.eval()(inputs)
    assert outputs.shape == NETWORKS[name][2]
    assert outputs.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_trainable_parameter_gets_a_gradient(name: str) -> None:
    network, inputs = _build(name)
    network.train()(inputs).square().sum().backward()
    idle = [
        key
        for key, parameter in network.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert idle == []


@pytest.mark.parametrize("name", NETWORKS)
def test_output_of_an_image_is_independent_of_its_batch(name: str) -> None:
    network, inputs = _build(name)
    with torch.inference_mode():
        together, alone = network.eval()(inputs)[:1], network(inputs[:1])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_misspelt_setting_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="dpeth"):
        _ADAPTER.validate_python({**NETWORKS[name][0], "dpeth": 3})
