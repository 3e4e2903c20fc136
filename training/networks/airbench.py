"""The network of airbench (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds", arXiv 2404.00498).

Made to learn CIFAR-10 in a handful of epochs: a frozen 2×2 convolution that whitens patches of the
training pictures (section 3.2, after Page 2018), three blocks that halve the picture early, kernels
that start as the identity (section 3.3), and logits scaled down.

Ours differs from the paper's: ReLU for GELU, which costs more than its share on a CPU; batch norms
with a scale; the whitening's bias learns to the end; narrower by default.

Shapes: B batch, C channels, H height, W width, K classes, N pictures, P patches, D = C·2·2.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from models_store.base import FrozenModel

__all__ = ["Airbench"]

_PATCH = 2
_Width = Annotated[int, Field(ge=1, le=2048)]


def _whitening_kernels(images_NCHW: Tensor, regularisation: float) -> Tensor:
    """Kernels (2·D, C, 2, 2): principal components of patches at unit variance, and negated."""
    patches_NDP = functional.unfold(images_NCHW, _PATCH)
    patches_PD = patches_NDP.transpose(1, 2).flatten(0, 1).double()
    covariance_DD = patches_PD.T.cov()
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    kernels_DD = vectors_DD.T / (values_D + regularisation).sqrt()[:, None]
    kernels = kernels_DD.float().view(-1, images_NCHW.shape[1], _PATCH, _PATCH)
    return torch.cat([kernels, -kernels])


class _Block(nn.Module):
    """(B, C, H, W) → (B, out, H // 2, W // 2)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.pool(self.conv1(x))))
        return functional.relu(self.bn2(self.conv2(x)))


class Airbench(nn.Module):
    """`forward`: images (B, C, H, W), normalised floats, sides of 9 and more → logits (B, K)."""

    whitening: Tensor

    class Config(FrozenModel):
        """How wide, and what the first layer takes."""

        kind: Literal["airbench"] = "airbench"
        classes: PositiveInt
        in_channels: Annotated[int, Field(ge=1, le=4)] = 3
        widths: tuple[_Width, _Width, _Width] = (32, 128, 128)
        """Channels of the three blocks; airbench94 has (64, 256, 256)."""
        logit_scale: PositiveFloat = 1 / 9

        def build(self) -> "Airbench":
            return Airbench(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.logit_scale = config.logit_scale
        filters = 2 * config.in_channels * _PATCH**2
        shape = (filters, config.in_channels, _PATCH, _PATCH)
        self.register_buffer("whitening", torch.randn(shape) / _PATCH**2)
        self.whitening_bias = nn.Parameter(torch.zeros(filters))
        channels = (filters, *config.widths)
        self.blocks = nn.Sequential(*map(_Block, channels[:-1], channels[1:]))
        self.fc = nn.Linear(config.widths[-1], config.classes, bias=False)

    def init_from_data(self, images_NCHW: Tensor, regularisation: float = 5e-4) -> None:
        """Before training: whiten normalised training pictures, and let 3×3 kernels pass through.

        `regularisation` is added to every variance, so that directions without any stay quiet.
        """
        self.whitening.copy_(_whitening_kernels(images_NCHW, regularisation))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                kernel = module.weight.data[: module.in_channels]
                nn.init.dirac_(kernel)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = functional.relu(functional.conv2d(images_BCHW, self.whitening, self.whitening_bias))
        pooled_BC = self.blocks(x).amax((2, 3))
        logits_BK: Tensor = self.fc(pooled_BC) * self.logit_scale
        return logits_BK
