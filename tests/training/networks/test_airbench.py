"""Initialisation of the airbench network."""

from typing import Any

import torch
from torch.nn import functional

from training.networks.airbench import Airbench


def _started() -> tuple[Airbench, torch.Tensor]:
    torch.manual_seed(0)
    # Neighbours that resemble each other, as pixels do, and channels of unlike spread.
    images = torch.randn(64, 3, 6, 6).repeat_interleave(2, 2).repeat_interleave(2, 3)
    images *= torch.tensor([0.5, 1, 2]).view(1, 3, 1, 1)
    images += 0.3 * torch.randn_like(images)
    network = Airbench.Config(classes=5, widths=(4, 30, 8)).build()
    network.init_from_data(images, regularisation=0)
    return network, images


def test_patches_come_out_uncorrelated_with_unit_variance() -> None:
    network, images = _started()
    responses = functional.conv2d(images, network.conv1.weight)[:, :12]
    covariance = responses.transpose(0, 1).flatten(1).cov()
    torch.testing.assert_close(covariance, torch.eye(12), atol=1e-3, rtol=0)


def test_the_second_half_of_the_filters_is_the_first_negated() -> None:
    network, _ = _started()
    torch.testing.assert_close(network.conv1.weight[12:], -network.conv1.weight[:12])


def test_a_kernel_starts_as_the_identity_of_the_channels_that_come_in() -> None:
    network, _ = _started()
    x = torch.randn(1, 4, 5, 5)
    # From 4 to 30 channels: the first four pass through; the others keep the recipe's initialiser.
    out = network.get_submodule("blocks.1.conv1")(x)
    torch.testing.assert_close(out[:, :4], x)
    assert not torch.allclose(out[:, 4:8], x)


def test_a_residual_block_adds_its_second_convolution_to_what_that_takes() -> None:
    torch.manual_seed(0)
    plain: Any = Airbench.Config(classes=5, widths=(4, 6, 8)).build().eval()
    residual: Any = Airbench.Config(classes=5, widths=(4, 6, 8), residual=True).build().eval()
    residual.load_state_dict(plain.state_dict())
    for block in residual.blocks:
        torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 3, 12, 12)
    hidden = functional.relu(plain.conv1(x))
    for block in plain.blocks:
        hidden = functional.relu(block.bn1(block.pool(block.conv1(hidden))))
    torch.testing.assert_close(residual(x), plain.fc(hidden.amax((2, 3))) / 9)


def test_scales_and_the_first_layer_do_not_learn_where_they_are_frozen() -> None:
    network = Airbench.Config(classes=5, widths=(4, 6, 8), norm_scale=False).build()
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    norms = {f"blocks.{i}.bn{j}.weight" for i in range(3) for j in (1, 2)}
    assert frozen == {"conv1.weight", *norms}


def test_regularisation_keeps_directions_without_variance_quiet() -> None:
    network, images = _started()
    flat = images.clone()
    flat[:, 2] = 0  # a channel that never varies
    network.init_from_data(flat)
    assert network.conv1.weight.abs().max() <= 1 / 5e-4**0.5 + 1e-3
