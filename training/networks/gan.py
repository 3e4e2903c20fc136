"""Generator and discriminator of a generative adversarial network (Goodfellow et al. 2014).

Both follow DCGAN (Radford et al. 2016, arXiv 1511.06434): only strided convolutions, which double
or halve the image. The discriminator has spectral norm in place of batch norm (Miyato et al. 2018,
arXiv 1802.05957): its logit of an image does not depend on the rest of the batch, and its slope is
bounded.

FastGAN's generator and a projected discriminator are alternatives for either side.

Shapes: B batch, Z latent, C channels; H = W = 4 · 2^len(widths).
"""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from training.networks.base import BaseNetworkConfig
from training.networks.fastgan import FastGAN
from training.networks.projected import ProjectedDiscriminator

_BASE_SIZE = 4
"""Height and width of the generator's first and the discriminator's last feature map."""

_VISIBLE = (1, 3)
"""Channels of images that a projected discriminator accepts: grey or RGB."""

_Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=6)]


class Generator(nn.Module):
    """`forward` maps standard normal latents (B, Z) to images (B, C, H, W) in -1 … 1."""

    def __init__(self, latent: int, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        coarsest = widths[0]
        self.latent = latent
        layers: list[nn.Module] = [
            nn.Linear(latent, coarsest * _BASE_SIZE**2, bias=False),
            nn.Unflatten(1, (coarsest, _BASE_SIZE, _BASE_SIZE)),
        ]
        for width, finer in pairwise(widths):
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.ConvTranspose2d(width, finer, 4, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, latents_BZ: Tensor) -> Tensor:
        images: Tensor = self.layers(latents_BZ)
        return images


class Discriminator(nn.Module):
    """`forward` maps images (B, C, H, W) in -1 … 1 to logits (B,), high for real images."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, coarser in pairwise((channels, *widths)):
            convolution = nn.Conv2d(width, coarser, 4, stride=2, padding=1)
            layers += [spectral_norm(convolution), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), spectral_norm(nn.Linear(widths[-1] * _BASE_SIZE**2, 1))]
        self.layers = nn.Sequential(*layers)

    def project(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the input of `logits`, here the images themselves."""
        return (images_BCHW,)

    def logits(self, images_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.layers(images_BCHW).squeeze(1)
        return logits

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.logits(images_BCHW)


class GAN(nn.Module):
    """Generator and discriminator. `forward` runs the generator alone."""

    class Config(BaseNetworkConfig):
        """Widths of a DCGAN, coarsest first; four widths generate images of 64×64."""

        kind: Literal["gan"] = "gan"
        channels: Annotated[int, Field(ge=1, le=4)] = 3
        latent: PositiveInt = 128
        generator: _Widths | FastGAN.Config = (256, 128, 64, 32)
        discriminator: _Widths | ProjectedDiscriminator.Config = (256, 128, 64, 32)

        @model_validator(mode="after")
        def _same_size(self) -> Self:
            if isinstance(self.discriminator, ProjectedDiscriminator.Config):
                if self.channels not in _VISIBLE:
                    raise ValueError(
                        f"a projected discriminator takes images of 1 or 3 channels, "
                        f"not {self.channels}"
                    )
            elif self.size != _size(self.discriminator):
                raise ValueError(
                    f"the generator draws images of {self.size} pixels a side, and the "
                    f"discriminator's {len(self.discriminator)} widths are for "
                    f"{_size(self.discriminator)}"
                )
            return self

        @property
        def size(self) -> int:
            """Height and width of the images."""
            if isinstance(self.generator, FastGAN.Config):
                return self.generator.size
            return _size(self.generator)

        def build(self) -> "GAN":
            return GAN(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.generator = _generator(config)
        self.discriminator = _discriminator(config)

    def forward(self, latents_BZ: Tensor) -> Tensor:
        images: Tensor = self.generator(latents_BZ)
        return images


def _size(widths: tuple[int, ...]) -> int:
    return _BASE_SIZE * int(2 ** len(widths))


def _generator(config: GAN.Config) -> Generator | FastGAN:
    if isinstance(config.generator, FastGAN.Config):
        return FastGAN(config.generator, config.latent, config.channels)
    return Generator(config.latent, config.generator, config.channels)


def _discriminator(config: GAN.Config) -> Discriminator | ProjectedDiscriminator:
    if isinstance(config.discriminator, ProjectedDiscriminator.Config):
        return config.discriminator.build()
    return Discriminator(config.discriminator[::-1], config.channels)
