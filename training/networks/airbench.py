"""The network of airbench (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds", arXiv 2404.00498).

It learns CIFAR-10 in a handful of epochs. A frozen 2×2 convolution whitens patches of the training
images (section 3.2, after Page 2018), three blocks halve the image early, kernels start as the
identity (section 3.3), and the logits are scaled down.

Deviations from the paper: ReLU by default, which costs less than GELU on a CPU and quantizes; batch
norms with a scale by default; the whitening's bias is trained to the end; narrower by default.
`residual` adds the second convolution of a block to its input, as airbench96 does with its third.

Shapes: B batch, C channels, H height, W width, K classes, N images, P patches, D = C·2·2.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from training.networks.base import ClassifierNetworkConfig

_PATCH = 2
_Width = Annotated[int, Field(ge=1, le=2048)]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
}


def _whitening_kernels(images_NCHW: Tensor, regularisation: float) -> Tensor:
    """Return kernels (2·D, C, 2, 2): the whitened principal components of patches, then negated."""
    patches_NDP = functional.unfold(images_NCHW, _PATCH)
    patches_PD = patches_NDP.transpose(1, 2).flatten(0, 1).double()
    covariance_DD = patches_PD.T.cov()
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    kernels_DD = vectors_DD.T / (values_D + regularisation).sqrt()[:, None]
    kernels = kernels_DD.float().view(-1, images_NCHW.shape[1], _PATCH, _PATCH)
    return torch.cat([kernels, -kernels])


class _Block(nn.Module):
    """Map (B, C, H, W) to (B, out, H // 2, W // 2)."""

    def __init__(self, channels: int, out: int, config: "Airbench.Config") -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[config.activation]
        self.residual = config.residual
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        if not config.norm_scale:
            for norm in (self.bn1, self.bn2):
                norm.weight.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.bn1(self.pool(self.conv1(x))))
        out = self.bn2(self.conv2(x))
        return self.activation(out + x if self.residual else out)


class Airbench(nn.Module):
    """`forward` maps normalised images (B, C, H, W) of 9×9 pixels or more to logits (B, K)."""

    class Config(ClassifierNetworkConfig):
        """Widths and options of the network."""

        kind: Literal["airbench"] = "airbench"
        widths: tuple[_Width, _Width, _Width] = (32, 128, 128)
        """Channels of the three blocks; airbench94 has (64, 256, 256)."""
        activation: Literal["relu", "gelu"] = "relu"
        residual: bool = False
        """Add the input of a block's second convolution to its output (He et al. 2015)."""
        norm_scale: bool = True
        """Learn a scale in the batch norms. Without it, as in the paper, the scale stays 1, so that
        a norm commutes with the pooling before it and folds into the convolution before that."""
        logit_scale: PositiveFloat = 1 / 9

        def build(self) -> "Airbench":
            return Airbench(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[config.activation]
        self.logit_scale = config.logit_scale
        filters = 2 * config.in_channels * _PATCH**2
        self.conv1 = nn.Conv2d(config.in_channels, filters, _PATCH)
        self.conv1.weight.requires_grad = False
        channels = (filters, *config.widths)
        self.blocks = nn.Sequential(*(_Block(*pair, config) for pair in pairwise(channels)))
        self.fc = nn.Linear(config.widths[-1], config.classes, bias=False)

    @torch.no_grad()
    def init_from_data(self, images_NCHW: Tensor, regularisation: float = 5e-4) -> None:
        """Whiten patches of normalised training images; initialise 3×3 kernels as the identity.

        `regularisation` is added to every variance, so that directions without variance are not
        amplified.
        """
        self.conv1.weight.copy_(_whitening_kernels(images_NCHW, regularisation))
        for module in self.blocks.modules():
            if isinstance(module, nn.Conv2d):
                kernel = module.weight.data[: module.in_channels]
                nn.init.dirac_(kernel)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        pooled_BC = self.blocks(self.activation(self.conv1(images_BCHW))).amax((2, 3))
        logits_BK: Tensor = self.fc(pooled_BC) * self.logit_scale
        return logits_BK
