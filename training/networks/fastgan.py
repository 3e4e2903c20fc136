"""FastGAN's light generator (Liu et al. 2021, arXiv 2101.04775, sections 3.1 and 4).

Deviations: no noise is injected, so that the latent alone determines the image; the first layer is
linear, which equals a transposed convolution of a single pixel.

Shapes: B batch, Z latent, C channels, h × w height and width of a feature map.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from models_store.base import FrozenModel

_BASE_SIZE = 4
"""Height and width of the first feature map."""

_SKIP = 3
"""Number of doublings between a coarse feature map and the finer map it scales: 4 × 4 → 32 × 32."""


class GatedLinearUnit(nn.Module):
    """Scale the first half of the channels by the sigmoid of the second half.

    torch's own converts channels-last tensors to contiguous ones, which makes the batch norm before
    it, and the whole step, three times as slow.
    """

    def forward(self, x_BChw: Tensor) -> Tensor:
        values_BChw, gates_BChw = x_BChw.chunk(2, 1)
        return values_BChw * gates_BChw.sigmoid()


class SkipExcitation(nn.Module):
    """Scale the channels of a fine feature map by weights computed from a coarse one (eq. 1)."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(_BASE_SIZE),
            nn.Conv2d(coarse, fine, _BASE_SIZE),
            nn.SiLU(),
            nn.Conv2d(fine, fine, 1),
            nn.Sigmoid(),
        )

    def forward(self, coarse_BChw: Tensor, fine_BChw: Tensor) -> Tensor:
        weights_BC11: Tensor = self.layers(coarse_BChw)
        return fine_BChw * weights_BC11


class FastGAN(nn.Module):
    """`forward` maps standard normal latents (B, Z) to images (B, C, H, W) in -1 … 1."""

    class Config(FrozenModel):
        kind: Literal["fastgan"] = "fastgan"
        widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=7)] = (
            256, 128, 96, 48, 24,
        )  # fmt: skip
        """Channels of the feature maps from 4 × 4 on; each further map doubles height and width."""

        @property
        def size(self) -> int:
            """Height and width of the images."""
            return _BASE_SIZE * int(2 ** (len(self.widths) - 1))

    def __init__(self, config: Config, latent: int, channels: int) -> None:
        super().__init__()
        self.latent = latent
        widths = config.widths
        self.first = nn.Sequential(
            nn.Linear(latent, 2 * widths[0] * _BASE_SIZE**2, bias=False),
            nn.Unflatten(1, (2 * widths[0], _BASE_SIZE, _BASE_SIZE)),
            nn.BatchNorm2d(2 * widths[0]),
            GatedLinearUnit(),
        )
        self.doublings = nn.ModuleList(_doubling(*each) for each in pairwise(widths))
        self.skips = nn.ModuleList(
            SkipExcitation(*each) for each in zip(widths, widths[_SKIP:], strict=False)
        )
        self.last = nn.Sequential(nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())

    def forward(self, latents_BZ: Tensor) -> Tensor:
        maps: list[Tensor] = [self.first(latents_BZ)]
        for doubling in self.doublings:
            finer: Tensor = doubling(maps[-1])
            coarse = len(maps) - _SKIP
            maps.append(finer if coarse < 0 else self.skips[coarse](maps[coarse], finer))
        images_BCHW: Tensor = self.last(maps[-1])
        return images_BCHW


def _doubling(width: int, finer: int) -> nn.Module:
    """Double height and width by a convolution with a gate for each of its channels."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(width, 2 * finer, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * finer),
        GatedLinearUnit(),
    )
