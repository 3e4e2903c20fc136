"""Dense and convolutional autoencoders whose latents can be rounded and entropy coded.

Hinton and Salakhutdinov 2006 ("Reducing the Dimensionality of Data with Neural Networks"), extended
for compression (Ballé et al. 2017, arXiv 1611.01704): each latent has a learnt scale, so that
rounding to whole numbers is a quantizer whose step is trained for each dimension. Rounding has no
gradient, so the decoder is trained on rounded latents with a straight-through gradient (Theis et
al. 2017, arXiv 1703.00395).

Shapes: B batch, C channels, H and W the images' sides, D latents, each with h = w = 1.
"""

import math
from itertools import pairwise
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig
from training.networks.photo_codec.integer_ops import round_ste

_INITIAL_SCALE = 8.0
"""Latents of an untrained encoder have a deviation near 1: training starts at 5 bits each."""


class Autoencoder(nn.Module):
    """`forward` maps images (B, C, H, W) in 0–1 to reconstructions from rounded latents."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latents: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        # The logarithm keeps a scale positive and makes its steps proportional to it.
        self.log_scale = nn.Parameter(torch.full((latents, 1, 1), math.log(_INITIAL_SCALE)))

    def encode(self, images_BCHW: Tensor) -> Tensor:
        """Return latents (B, D, h, w) in steps of the quantizer, not yet rounded."""
        features: Tensor = self.encoder(images_BCHW)
        # Full precision: a bfloat16 near 20 is only exact to a sixteenth of a step.
        return features.float() * self.log_scale.exp()

    def decode(self, latents_BDhw: Tensor) -> Tensor:
        """Return images (B, C, H, W) in 0–1 from latents in steps, rounded or not."""
        logits: Tensor = self.decoder(latents_BDhw * (-self.log_scale).exp())
        # Most pixels are exactly black or white; a sigmoid saturates there.
        return logits.float().sigmoid()

    def reconstruct(self, images_BCHW: Tensor, *, quantise: bool) -> tuple[Tensor, Tensor]:
        """Return the reconstruction (B, C, H, W) and the latents (B, D, h, w) before rounding."""
        latents = self.encode(images_BCHW)
        return self.decode(round_ste(latents) if quantise else latents), latents

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.reconstruct(images_BCHW, quantise=True)[0]


class _AutoencoderConfig(BaseNetworkConfig):
    channels: Annotated[int, Field(ge=1, le=4)] = 1
    side: PositiveInt = 28
    """Height and width of the images."""

    @property
    def image_channels(self) -> int:
        return self.channels

    @property
    def image_side(self) -> int:
        return self.side


class DenseAutoencoder(Autoencoder):
    """An autoencoder of fully connected layers, as in the course."""

    class Config(_AutoencoderConfig):
        """Widths of the encoder's hidden layers, outermost first; the decoder mirrors them."""

        kind: Literal["dense-autoencoder"] = "dense-autoencoder"
        widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1024, 512)
        latents: PositiveInt = 64

        def build(self) -> "DenseAutoencoder":
            return DenseAutoencoder(self)

    def __init__(self, config: Config) -> None:
        shape = (config.channels, config.side, config.side)
        sizes = (math.prod(shape), *config.widths, config.latents)

        def stack(sizes: tuple[int, ...]) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for size, out in pairwise(sizes):
                layers += [nn.Linear(size, out), nn.GELU()]
            return layers[:-1]  # latents and output logits may have either sign

        super().__init__(
            nn.Sequential(nn.Flatten(), *stack(sizes), nn.Unflatten(1, (config.latents, 1, 1))),
            nn.Sequential(nn.Flatten(), *stack(sizes[::-1]), nn.Unflatten(1, shape)),
            config.latents,
        )


class ConvAutoencoder(Autoencoder):
    """An autoencoder of convolutions; the encoder's last one reduces the image to 1 × 1."""

    class Config(_AutoencoderConfig):
        """Channels of the encoder's levels, finest first; each level halves the sides."""

        kind: Literal["conv-autoencoder"] = "conv-autoencoder"
        widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64)
        blocks: Annotated[int, Field(ge=0, le=8)] = 1
        """Residual blocks at the coarsest level of the encoder, and as many in the decoder."""
        latents: PositiveInt = 64

        @model_validator(mode="after")
        def _validate_side(self) -> Self:
            if self.side % 2 ** len(self.widths):
                raise ValueError(f"side {self.side} cannot be halved {len(self.widths)} times")
            return self

        def build(self) -> "ConvAutoencoder":
            return ConvAutoencoder(self)

    def __init__(self, config: Config) -> None:
        widths, coarsest = config.widths, config.side // 2 ** len(config.widths)
        last = widths[-1]
        # Space to depth and back: every pixel is read once, at a quarter of the positions.
        down: list[nn.Module] = []
        for channels, out in pairwise((config.channels, *widths)):
            down += [nn.PixelUnshuffle(2), *_convolution(4 * channels, out)]
        up: list[nn.Module] = []
        for out, channels in reversed(list(pairwise((config.channels, *widths)))):
            up += [nn.Conv2d(channels, 4 * out, 3, padding=1), nn.PixelShuffle(2)]
            if out != config.channels:
                up += [nn.BatchNorm2d(out), nn.ReLU()]
        super().__init__(
            nn.Sequential(
                *down,
                *(_Residual(last) for _ in range(config.blocks)),
                nn.Conv2d(last, config.latents, coarsest),
            ),
            nn.Sequential(
                nn.ConvTranspose2d(config.latents, last, coarsest),
                *(_Residual(last) for _ in range(config.blocks)),
                nn.BatchNorm2d(last),
                nn.ReLU(),
                *up,
            ),
            config.latents,
        )


def _convolution(channels: int, out: int) -> tuple[nn.Module, ...]:
    return (nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


class _Residual(nn.Module):
    """Two convolutions beside the identity, no activation after the sum (arXiv 1603.05027)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, channels), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out
