"""A codec of photographs as it is served: bytes in and out, and the prior in whole numbers.

Shapes: B batch, H, W pixels, h × w blocks, D latent channels, S of side information, F features.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_store.compression.hyperprior import LATENT_RESOLUTION, MEAN_RESOLUTION
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_codec.prior import SIDE_LIMIT, GroupPrior

_MAX_INT16 = 2**15 - 1


def freeze(codec: PhotoCodec) -> PhotoCodec:
    """Return a copy without gradients, whose rounding is plain rounding."""
    return copy.deepcopy(codec).requires_grad_(False).eval().cpu()


class PhotoEncoderGraph(nn.Module):
    """`images` uint8 (B, H, W, 3), `quality` (B,) → `latents` int16 (B, D, h, w), `side` int16."""

    def __init__(self, codec: PhotoCodec) -> None:
        super().__init__()
        self.codec = codec
        self.kernels = nn.Parameter(codec.analysis_kernels(), requires_grad=False)

    def forward(self, images_BHWC: Tensor, quality_B: Tensor) -> tuple[Tensor, Tensor]:
        images = images_BHWC.permute(0, 3, 1, 2).float() / 255 - 0.5
        coefficients = functional.conv2d(images, self.kernels, stride=8)
        latents = self.codec.apply_gain(self.codec.refine_coefficients(coefficients), quality_B)
        side = self.codec.hyper_encode(latents)
        return _to_int16(latents * LATENT_RESOLUTION, _MAX_INT16), _to_int16(side, SIDE_LIMIT)


class PhotoDecoderGraph(nn.Module):
    """`latents` int16 (B, D, h, w) in sixteenths, `quality` (B,) → `images` uint8 (B, H, W, 3)."""

    def __init__(self, codec: PhotoCodec) -> None:
        super().__init__()
        self.codec = codec
        self.kernels = nn.Parameter(codec.synthesis_kernels(), requires_grad=False)

    def forward(self, latents: Tensor, quality_B: Tensor) -> Tensor:
        restored = self.codec.dequantize(latents.float() / MEAN_RESOLUTION, quality_B)
        images = self.codec.synthesize(restored, self.kernels)
        levels = (images * 255).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


class FeaturesGraph(nn.Module):
    """`side` int16 (B, S, a, b), `quality` (B,) → `features` uint8 (B, F, 4a, 4b)."""

    def __init__(self, codec: PhotoCodec) -> None:
        super().__init__()
        self.prior = codec.side_prior

    def forward(self, side: Tensor, quality_B: Tensor) -> Tensor:
        features: Tensor = self.prior(side.float(), quality_B)
        return features.to(torch.uint8)


class FirstGroupGraph(nn.Module):
    """`features`, `group`, `row` → `means`, `levels`."""

    def __init__(self, prior: GroupPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, features: Tensor, group: Tensor, row_B: Tensor) -> tuple[Tensor, Tensor]:
        return _entropy_parameters(self.prior, features, None, group, row_B)


class GroupGraph(nn.Module):
    """`features`, `before`, `group`, `row` → `means`, `levels`."""

    def __init__(self, prior: GroupPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, features: Tensor, before: Tensor, group: Tensor, row_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _entropy_parameters(self.prior, features, before.float(), group, row_B)


def _entropy_parameters(
    prior: GroupPrior, features: Tensor, before: Tensor | None, group: Tensor, row_B: Tensor
) -> tuple[Tensor, Tensor]:
    context = prior.context(features.float(), before)
    means, levels = prior.predict(context, group.float(), row_B)
    return _to_int16(means, _MAX_INT16), levels.to(torch.uint8)


def _to_int16(x: Tensor, max_abs: int) -> Tensor:
    return x.round().clamp(-max_abs, max_abs).to(torch.int16)
