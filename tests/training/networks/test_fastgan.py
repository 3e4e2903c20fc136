import pytest
import torch
from torch import nn
from torch.nn import functional

from training.networks.fastgan import FastGAN, GatedLinearUnit, SkipExcitation


def _generator(*widths: int) -> FastGAN:
    torch.manual_seed(0)
    return FastGAN(FastGAN.Config(widths=widths), latent=6, channels=3)


@pytest.mark.parametrize(
    ("widths", "side", "skips"), [((8, 4), 8, 0), ((8, 6, 4, 4), 32, 1), ((8, 6, 4, 4, 2), 64, 2)]
)
def test_each_width_after_the_first_doubles_the_image(
    widths: tuple[int, ...], side: int, skips: int
) -> None:
    network = _generator(*widths)
    drawn = network(torch.randn(3, 6))
    assert drawn.shape == (3, 3, side, side)
    assert drawn.abs().max() <= 1
    assert network.latent == 6
    assert FastGAN.Config(widths=widths).size == side
    assert len(network.skips) == skips


def test_a_skip_scales_each_channel_of_the_fine_map_by_one_number() -> None:
    torch.manual_seed(0)
    skip = SkipExcitation(coarse=5, fine=3)
    coarse, fine = torch.randn(2, 5, 8, 8), torch.randn(2, 3, 64, 64)
    # Equation 1, with the 8×8 map pooled to 4×4 first.
    pooled = functional.avg_pool2d(coarse, 2)
    first, second = (layer for layer in skip.layers if isinstance(layer, nn.Conv2d))
    assert first.bias is not None
    assert second.bias is not None
    hidden = functional.silu(torch.einsum("bchw,ochw->bo", pooled, first.weight) + first.bias)
    weights = torch.sigmoid(hidden @ second.weight[:, :, 0, 0].T + second.bias)
    torch.testing.assert_close(skip(coarse, fine), fine * weights[:, :, None, None])


def test_gate_equals_torchs_and_keeps_channels_last() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 4, 4).contiguous(memory_format=torch.channels_last)
    gated = GatedLinearUnit()(x)
    torch.testing.assert_close(gated, functional.glu(x, dim=1))
    assert gated.is_contiguous(memory_format=torch.channels_last)


def test_every_parameter_gets_a_gradient() -> None:
    network = _generator(8, 6, 4, 4, 2)
    network(torch.randn(4, 6)).square().sum().backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


def test_a_latent_alone_decides_the_image() -> None:
    network = _generator(8, 6, 4, 4, 2).eval()
    latents = torch.randn(3, 6)
    with torch.inference_mode():
        torch.testing.assert_close(network(latents)[1:2], network(latents[1:2]))
