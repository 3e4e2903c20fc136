"""The projected discriminator (Sauer et al. 2021, arXiv 2111.01007).

It classifies images by the feature maps of a frozen MobileNetV2, mixed across channels and scales
by random convolutions that are frozen too (section 3.2). Only one small head per scale, with
spectral norm, is trained.

Deviations: each head ends in a grid of the same size; the heads have no batch norm, so that the
logits of an image do not depend on other images.

Shapes: B batch, C channels, H height, W width, L logits, h × w height and width of a feature map.
"""

import math
from collections.abc import Iterator
from typing import Literal, Self

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from training.networks.mobilenet import MobileNet, Pretrained, fold_batch_norms

_STAGES = ((0, 4, 24), (4, 7, 32), (7, 14, 96), (14, 18, 320))
"""First layer, end and channels of the stages that compute the maps at strides 4, 8, 16, 32."""

_LOGITS = 3
"""Largest height and width of a head's grid of logits."""


class ProjectedDiscriminator(nn.Module):
    """`forward` maps grey or RGB images (B, C, H, W) in -1 … 1 to logits (B, L), high for real."""

    class Config(Pretrained):
        kind: Literal["projected"] = "projected"
        side: PositiveInt = 96
        """Height and width, in pixels, to which images are resized."""
        mixing: PositiveInt = 32
        """Channels of the finest map after channel mixing; each coarser map has twice as many."""
        head: PositiveInt = 96
        """Channels of the heads' layers."""

        def mobilenet(self) -> MobileNet.Config:
            """Return the config of the network that these weights fit. Its head is not used."""
            return MobileNet.Config(classes=1, padding=self.padding, scaling=self.scaling)

        def build(self) -> "ProjectedDiscriminator":
            return ProjectedDiscriminator(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.projection = Projection(config)
        sides = [math.ceil(config.side / stride) for stride in (4, 8, 16, 32)]
        self.heads = nn.ModuleList(
            _head(width, config.head, side)
            for width, side in zip(self.projection.widths, sides, strict=True)
        )

    def project(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return mixed feature maps, finest first. Gradients reach only the images."""
        maps: tuple[Tensor, ...] = self.projection(images_BCHW)
        return maps

    def logits(self, *maps_BChw: Tensor) -> Tensor:
        """Return the logits (B, L) of what `project` returns."""
        pairs = zip(self.heads, maps_BChw, strict=True)
        return torch.cat([head(each).flatten(1) for head, each in pairs], 1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.logits(*self.project(images_BCHW))


class Projection(nn.Module):
    """`forward` maps images (B, C, H, W) in -1 … 1 to four feature maps, finest first.

    All tensors are buffers, so that optimizers skip them and nothing can make them trainable. A
    checkpoint holds the random mixing, not the pretrained weights.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, config: ProjectedDiscriminator.Config) -> None:
        super().__init__()
        self.side = config.side
        base = config.mixing
        mixed = [base, 2 * base, 4 * base, 8 * base]
        self.widths = [base, base, 2 * base, 4 * base]
        for level, (*_, channels) in enumerate(_STAGES):
            self.register_buffer(f"channel_mixing_{level}", _random(mixed[level], channels, 1))
            self.register_buffer(
                f"scale_mixing_{level}", _random(self.widths[level], mixed[level], 3)
            )
        # (image / 2 + 1 / 2 - mean) / deviation as one multiplication and one addition
        mean, deviation = (torch.tensor(s).view(1, 3, 1, 1) for s in config.statistics)
        self.register_buffer("scale", 0.5 / deviation, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / deviation, persistent=False)
        self.stages: nn.ModuleList
        self.load_mobilenet(config.mobilenet().build())

    def load_mobilenet(self, mobilenet: MobileNet) -> None:
        """Take over the features of `mobilenet`, which cannot be used afterwards."""
        features = fold_batch_norms(mobilenet.features)
        layers = list(features.children())
        self.stages = nn.ModuleList(nn.Sequential(*layers[first:end]) for first, end, _ in _STAGES)
        for module in self.stages.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.stages.eval()
        return self

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        sized = functional.interpolate(
            images_BCHW, (self.side, self.side), mode="bilinear", align_corners=False
        )
        x_BChw = sized.expand(-1, 3, -1, -1) * self.scale + self.shift
        maps = []
        for stage in self.stages:
            x_BChw = stage(x_BChw)
            maps.append(x_BChw)
        return tuple(self._mixed(maps))[::-1]

    def _mixed(self, maps_BChw: list[Tensor]) -> Iterator[Tensor]:
        """Yield mixed maps, coarsest first: each is added to the next finer one."""
        coarser: Tensor | None = None
        for level in reversed(range(len(maps_BChw))):
            mixed = functional.conv2d(maps_BChw[level], self.get_buffer(f"channel_mixing_{level}"))
            if coarser is not None:
                mixed = mixed + functional.interpolate(
                    coarser, mixed.shape[2:], mode="bilinear", align_corners=False
                )
            coarser = functional.conv2d(mixed, self.get_buffer(f"scale_mixing_{level}"), padding=1)
            yield coarser


def _random(out: int, channels: int, kernel: int) -> Tensor:
    """Return a kernel with the variance of torch's default, 1 / (3 · fan in)."""
    return torch.randn(out, channels, kernel, kernel) / math.sqrt(3 * channels * kernel**2)


def _head(channels: int, width: int, side: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    if side <= _LOGITS:
        layers += [spectral_norm(nn.Conv2d(channels, width, 3, padding=1)), nn.LeakyReLU(0.2)]
        channels = width
    while side > _LOGITS:
        layers += [spectral_norm(nn.Conv2d(channels, width, 4, 2, padding=1)), nn.LeakyReLU(0.2)]
        channels, side = width, side // 2
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)))
