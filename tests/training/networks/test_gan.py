import pytest
import torch
from pydantic import ValidationError

from training.networks.fastgan import FastGAN
from training.networks.gan import GAN, Discriminator
from training.networks.projected import ProjectedDiscriminator


def _gan(**changes: object) -> GAN:
    torch.manual_seed(0)
    small = {"latent": 6, "generator": [8, 4], "discriminator": [8, 4], **changes}
    return GAN.Config.model_validate(small).build()


@pytest.mark.parametrize(("depth", "side"), [(1, 8), (2, 16), (4, 64)])
def test_each_width_doubles_the_image_from_4(depth: int, side: int) -> None:
    network = _gan(generator=[8] * depth, discriminator=[8] * depth)
    drawn = network(torch.randn(3, 6))
    assert drawn.shape == (3, 3, side, side)
    assert drawn.abs().max() <= 1
    assert network.discriminator(drawn).shape == (3,)


def test_every_parameter_of_both_gets_a_gradient() -> None:
    network = _gan()
    network.discriminator(network(torch.randn(4, 6))).square().sum().backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


def test_the_published_generators_size_is_that_of_its_layers() -> None:
    parameters = sum(p.numel() for p in GAN.Config().build().generator.parameters())
    layers = 128 * 256 * 16 + 16 * (256 * 128 + 128 * 64 + 64 * 32 + 32 * 3) + 3
    assert parameters == layers + 2 * (256 + 128 + 64 + 32)


def test_logit_of_an_image_is_independent_of_its_batch() -> None:
    discriminator = _gan().discriminator.train()
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    with torch.inference_mode():
        for _ in range(100):  # until the estimate of the norm moves no more
            together = discriminator(images)
        torch.testing.assert_close(discriminator(images[:1]), together[:1])


def test_the_discriminators_layers_stretch_nothing_by_more_than_one() -> None:
    discriminator = _gan().discriminator.train()
    with torch.no_grad():
        for _ in range(100):
            discriminator(torch.rand(2, 3, 16, 16))
    assert isinstance(discriminator, Discriminator)
    for layer in (discriminator.layers[0], discriminator.layers[-1]):
        assert isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)
        values = torch.linalg.svdvals(layer.weight.detach().flatten(1))
        assert values[0] == pytest.approx(1, abs=1e-3)


def test_both_sides_see_images_of_one_size() -> None:
    with pytest.raises(ValidationError, match=r"of 16 pixels a side, .* 1 widths are for 8"):
        _gan(discriminator=[8])


def test_either_side_may_be_chosen_by_kind() -> None:
    network = _gan(
        generator={"kind": "fastgan", "widths": [8, 4]},
        discriminator={"kind": "projected", "side": 32, "mixing": 4, "head": 4},
    )
    assert isinstance(network.generator, FastGAN)
    assert isinstance(network.discriminator, ProjectedDiscriminator)
    assert network.discriminator(network(torch.randn(2, 6))).shape == (2, 13)
    mixed = _gan(generator={"kind": "fastgan", "widths": [8, 4]}, discriminator=[8])
    assert mixed.discriminator(mixed(torch.randn(2, 6))).shape == (2,)


def test_a_projected_discriminator_accepts_one_or_three_channels() -> None:
    with pytest.raises(ValidationError, match="1 or 3 channels, not 4"):
        _gan(channels=4, discriminator={"kind": "projected"})
