"""Autoencoders whose latents can be rounded and coded: dense, and convolutional.

Hinton and Salakhutdinov 2006 ("Reducing the Dimensionality of Data with Neural Networks") with
what compression adds (Ballé et al. 2017, arXiv 1611.01704): each latent has a learnt scale, so
that rounding to whole numbers is a quantiser whose step the training chooses dimension by
dimension. Rounding has no gradient, so the decoder learns from rounded latents straight through
(Theis et al. 2017, arXiv 1703.00395).

Shapes: B batch, C channels, H and W the pictures' sides, D latents, each with h = w = 1 places.
"""

import math
from itertools import pairwise
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from training.networks.base import BaseNetworkConfig

__all__ = ["Autoencoder", "ConvAutoencoder", "DenseAutoencoder", "round_ste"]

_INITIAL_SCALE = 8.0
"""Latents leave an untrained encoder with a deviation near 1: 5 bits each to start from."""


def round_ste(latents: Tensor) -> Tensor:
    """Rounded, with the gradient of what was rounded."""
    return latents + (latents.round() - latents).detach()


class Autoencoder(nn.Module):
    """`forward`: images (B, C, H, W) in 0–1 → what is left of them after rounding, in 0–1."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latents: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        # The logarithm, so that a scale stays positive and learns in proportion to itself.
        self.log_scale = nn.Parameter(torch.full((latents, 1, 1), math.log(_INITIAL_SCALE)))

    def encode(self, images_BCHW: Tensor) -> Tensor:
        """Latents (B, D, h, w) in steps of the quantiser, not yet rounded."""
        features: Tensor = self.encoder(images_BCHW)
        # In full precision: a bfloat16 of 20 is uncertain by a sixteenth of a step.
        return features.float() * self.log_scale.exp()

    def decode(self, latents_BDhw: Tensor) -> Tensor:
        """Images (B, C, H, W) in 0–1 from latents in steps, rounded or not."""
        logits: Tensor = self.decoder(latents_BDhw * (-self.log_scale).exp())
        # Most pixels are exactly black or white, which a sigmoid reaches without effort.
        return logits.float().sigmoid()

    def reconstruct(self, images_BCHW: Tensor, *, quantise: bool) -> tuple[Tensor, Tensor]:
        """Estimate (B, C, H, W), and the latents (B, D, h, w) before rounding."""
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
    """Fully connected layers on both sides, as in the course."""

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
            return layers[:-1]  # what is coded, and what is drawn, may have either sign

        super().__init__(
            nn.Sequential(nn.Flatten(), *stack(sizes), nn.Unflatten(1, (config.latents, 1, 1))),
            nn.Sequential(nn.Flatten(), *stack(sizes[::-1]), nn.Unflatten(1, shape)),
            config.latents,
        )


class ConvAutoencoder(Autoencoder):
    """Convolutions on both sides; the last one sees the whole picture and leaves 1 × 1 places."""

    class Config(_AutoencoderConfig):
        """Channels of the encoder's levels, finest first; each level halves the sides."""

        kind: Literal["conv-autoencoder"] = "conv-autoencoder"
        widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64)
        blocks: Annotated[int, Field(ge=0, le=8)] = 1
        """Residual blocks at the coarsest level, on either side."""
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
        # Space to depth and back: every pixel is seen once, at a quarter of the places.
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
    """Two convolutions beside the identity, nothing after the sum (He 2016, arXiv 1603.05027)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, channels), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out
