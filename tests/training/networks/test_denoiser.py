import pytest
import torch
from torch import nn

from training.networks.denoiser import Denoiser


def test_the_noise_is_what_is_predicted() -> None:
    network = Denoiser.Config(widths=(4, 8)).build().eval()
    nn.init.zeros_(network.residual.weight)
    assert network.residual.bias is not None
    nn.init.constant_(network.residual.bias, 0.25)
    noisy = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(network(noisy), noisy - 0.25)


@pytest.mark.parametrize(("widths", "multiple"), [((4, 8), 2), ((4, 8, 8), 4), ((4,) * 5, 16)])
def test_sides_must_be_multiples_of_the_coarsest_pixel(
    widths: tuple[int, ...], multiple: int
) -> None:
    config = Denoiser.Config(widths=widths)
    assert config.multiple_of == multiple
    network = config.build().eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 1, multiple, 2 * multiple)).shape[2:] == (
            multiple,
            2 * multiple,
        )
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            network(torch.rand(1, 1, multiple, 2 * multiple + multiple // 2))
