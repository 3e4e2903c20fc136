from typing import Literal

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training.networks.resnet import ResNet

_ImageNetDepth = Literal[18, 34, 50, 101, 152]


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _giga_multiply_adds(network: nn.Module, side: int) -> float:
    """Count billions of multiply-adds of convolutions and linear layers for one image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, side, side, device="meta"))
    # The counter counts a multiplication and an addition as two.
    return float(counter.get_total_flops()) / 2 / 1e9


# Parameters and multiply-adds (10⁹, at 224²) as torchvision's weights state them in their `meta`;
# strided in the first 1×1, He et al. 2015, table 1, has 3.8, 7.6 and 11.3.
@pytest.mark.parametrize(
    ("depth", "parameters", "multiply_adds", "strided_in_1x1"),
    [
        (18, 11_689_512, 1.814, 1.814),
        (34, 21_797_672, 3.664, 3.664),
        (50, 25_557_032, 4.089, 3.858),
        (101, 44_549_160, 7.801, 7.570),
        (152, 60_192_808, 11.514, 11.282),
    ],
)
def test_imagenet_sizes_are_the_published_ones(
    depth: _ImageNetDepth, parameters: int, multiply_adds: float, strided_in_1x1: float
) -> None:
    for stride_in_1x1, expected in ((False, multiply_adds), (True, strided_in_1x1)):
        config = ResNet.Config(
            depth=depth, stem="imagenet", classes=1000, stride_in_1x1=stride_in_1x1
        )
        with torch.device("meta"):
            network = config.build()
        assert _parameters(network) == parameters
        assert round(_giga_multiply_adds(network, 224), 3) == expected


# He et al. 2015, table 6, gives 0.27, 0.46, 0.66, 0.85 and 1.7 million.
@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.73)]
)
def test_cifar_sizes_are_the_papers(depth: Literal[20, 32, 44, 56, 110], millions: float) -> None:
    with torch.device("meta"):
        network = ResNet.Config(depth=depth, stem="cifar", classes=10).build()
    # By hand, with 2n convolutions of 3×3 a stage and no parameters in the shortcuts; a batch norm
    # has two parameters a channel.
    n = (depth - 2) // 6
    stem = 3 * 16 * 9 + 2 * 16
    first = 2 * n * (16 * 16 * 9 + 2 * 16)
    second = 16 * 32 * 9 + (2 * n - 1) * 32 * 32 * 9 + 2 * n * 2 * 32
    third = 32 * 64 * 9 + (2 * n - 1) * 64 * 64 * 9 + 2 * n * 2 * 64
    assert _parameters(network) == stem + first + second + third + 64 * 10 + 10
    assert round(_parameters(network) / 1e6, 2) == millions


def test_resnet_20_costs_41_million_multiply_adds() -> None:
    # By hand: 0.44 stem + 3 stages × 14.16 less the two strided entries, at 32², 16² and 8².
    with torch.device("meta"):
        network = ResNet.Config(depth=20, stem="cifar", classes=10).build()
    stem = 32 * 32 * 3 * 16 * 9
    stage = 6 * 32 * 32 * 16 * 16 * 9  # the same in each: twice the channels, half the sides
    entries = 2 * (32 * 32 * 16 * 16 * 9) // 2  # half the input channels
    expected = stem + 3 * stage - entries + 640
    assert _giga_multiply_adds(network, 32) * 1e9 == expected


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvisions_weights_load_and_give_its_logits(depth: Literal[18, 50]) -> None:
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=10)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        theirs.train()(images)  # batch statistics that are not all zero and one
        ours = ResNet.Config(depth=depth, stem="imagenet", classes=10).build()
        assert set(ours.state_dict()) == set(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_shortcut_a_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    network = ResNet.Config(depth=20, stem="cifar", classes=10, width=4).build()
    shortcut = network.get_submodule("layer2.0.downsample")
    assert list(shortcut.parameters()) == []
    x = torch.rand(2, 4, 8, 8)
    out = shortcut(x)
    assert torch.equal(out[:, :4], x[:, :, ::2, ::2])
    assert not out[:, 4:].any()
    assert out.shape == (2, 8, 4, 4)


@pytest.mark.parametrize(("stem", "depth"), [("cifar", 50), ("imagenet", 20)])
def test_a_depth_of_the_other_stem_is_rejected_with_the_choices(
    stem: Literal["cifar", "imagenet"], depth: Literal[50, 20]
) -> None:
    choices = "20, 32, 44, 56, 110" if stem == "cifar" else "18, 34, 50, 101, 152"
    message = f"a ResNet with the {stem} stem has one of the depths {choices}, not {depth}"
    with pytest.raises(ValueError, match=message):
        ResNet.Config(depth=depth, stem=stem, classes=10)
