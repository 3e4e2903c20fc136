import pytest
import torch

from training.networks.photo_denoiser import PhotoDenoiser


def _config(widths: tuple[int, ...], blocks: tuple[int, ...]) -> PhotoDenoiser.Config:
    return PhotoDenoiser.Config(widths=widths, blocks=blocks)


def test_at_first_it_changes_nothing() -> None:
    network = _config((4, 6), (1, 1)).build()
    network.init_from_data(torch.empty(0))
    # Biases are the initialiser's to set; a recipe's sets them to zero.
    torch.nn.init.zeros_(network.get_parameter("residual.bias"))
    noisy = torch.randn(1, 3, 8, 12)
    with torch.inference_mode():
        assert torch.equal(network(noisy), noisy)


def test_it_learns_from_the_first_step_on() -> None:
    torch.manual_seed(0)
    network = _config((4, 6), (1, 1)).build()
    network.init_from_data(torch.empty(0))
    network(torch.randn(1, 3, 8, 8)).square().sum().backward()
    assert network.residual.weight.grad is not None
    assert network.residual.weight.grad.any()


@pytest.mark.parametrize(
    ("widths", "blocks", "reach"),
    [
        # Two convolutions a block, and the first and last one, of 2 pixels each, + 1.
        ((2,), (1,), 4 + 4 + 1),
        # At level 0 a block down and one up: 4 of 2 pixels; below 2 of 4; + 3.
        ((2, 2), (1, 1), 4 + 8 + 8 + 3),
        ((2, 3, 2), (1, 2, 1), 4 + 8 + 8 * 4 + 2 * 8 + 7),
    ],
)
def test_receptive_field_equals_the_reach(
    widths: tuple[int, ...], blocks: tuple[int, ...], reach: int
) -> None:
    torch.manual_seed(0)
    config = _config(widths, blocks)
    assert config.reach == reach
    network = config.build().double()
    for parameter in network.parameters():  # positive: no ReLU closes, nothing cancels
        torch.nn.init.uniform_(parameter, 0.05, 0.1)
    multiple = config.multiple_of
    side = (2 * reach // multiple + 4) * multiple
    seen = 0
    for offset in range(multiple):  # where in its coarse pixel it lies decides how far it sees
        center = side // 2 // multiple * multiple + offset
        image = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
        network(image)[0, 0, center, center].backward()
        assert image.grad is not None
        rows = image.grad[0].abs().sum((0, 2)).nonzero().flatten()
        seen = max(seen, int((rows - center).abs().max()))
    assert seen == reach


def test_each_level_needs_its_number_of_blocks() -> None:
    with pytest.raises(ValueError, match="3 widths need as many blocks"):
        _config((4, 4, 4), (1, 1))


def test_the_recipe_s_network_has_less_than_a_million_parameters() -> None:
    from training.config.recipe import load_recipe

    network = load_recipe("denoiser-photo").network.build()
    assert sum(parameter.numel() for parameter in network.parameters()) == 712_092
