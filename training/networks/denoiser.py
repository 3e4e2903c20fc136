"""A convolutional denoising autoencoder, shaped as a small U-Net.

Encoder and decoder follow the course's denoiser (Vincent et al. 2008). Skips join equal resolutions
(Ronneberger et al. 2015, arXiv 1505.04597), and the network predicts the noise instead of the image
(Zhang et al. 2017, DnCNN, arXiv 1608.03981): both let detail pass around the bottleneck.

Shapes: B batch, C channels, H and W multiples of `2 ** (len(widths) - 1)`.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import BaseNetworkConfig

_Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=5)]


def _convolution(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )


class Denoiser(nn.Module):
    """`forward` maps noisy images (B, C, H, W) in 0–1 to clean estimates, not clipped."""

    class Config(BaseNetworkConfig):
        """Widths of the encoder's levels, finest first; the decoder mirrors them."""

        kind: Literal["denoiser"] = "denoiser"
        channels: Annotated[int, Field(ge=1, le=4)] = 1
        widths: _Widths = (32, 64, 128)
        convolutions: Annotated[int, Field(ge=1, le=4)] = 2
        """3×3 convolutions at each level, on the way down and on the way up."""

        @property
        def image_channels(self) -> int:
            return self.channels

        @property
        def multiple_of(self) -> int:
            return int(2 ** (len(self.widths) - 1))

        @property
        def reach(self) -> int:
            """Bound of the distance, from the convolutions of every level.

            A 3×3 convolution at level l reaches 2^l pixels. Pooling and nearest upsampling shift by
            less than one pixel of the coarser level, counted here as a whole one.
            """
            levels = range(len(self.widths))
            down = sum(self.convolutions * 2**level for level in levels)
            up = sum(self.convolutions * 2**level for level in levels[:-1])
            return int(down + up + 2 * sum(2**level for level in levels[1:]) + 1)

        def build(self) -> "Denoiser":
            return Denoiser(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = config.widths

        def level(channels: int, out: int) -> nn.Sequential:
            sources = [channels] + [out] * (config.convolutions - 1)
            return nn.Sequential(*(_convolution(source, out) for source in sources))

        self.encoder = nn.ModuleList(
            level(channels, out) for channels, out in pairwise((config.channels, *widths))
        )
        self.decoder = nn.ModuleList(
            level(coarse + fine, fine) for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.residual = nn.Conv2d(widths[0], config.channels, 3, padding=1)

    def forward(self, noisy_BCHW: Tensor) -> Tensor:
        skips: list[Tensor] = []
        x = noisy_BCHW
        for index, encode in enumerate(self.encoder):
            x = encode(x if index == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        x = skips.pop()
        for decode in self.decoder:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = decode(torch.cat((x, skips.pop()), dim=1))
        estimate: Tensor = noisy_BCHW - self.residual(x)
        return estimate
