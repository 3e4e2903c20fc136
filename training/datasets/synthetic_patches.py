"""Synthetic training patches: flat colours, edges, gradients, vivid and overexposed photographs.

Photographs hardly ever hold the corners of the RGB cube. A denoiser trained on them alone changes
flat saturated colours and turns overexposed skies grey.

Shapes: B patches, P side of a patch; values lie in 0–1.
"""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from models_store.base import FrozenModel
from training.datasets.camera.isp import draw_uniform
from training.datasets.noise import quantize_8bit, to_gray

_Fraction = Annotated[float, Field(ge=0, le=1)]
_GRAY_SHARE = 1 / 3
_WIDEST_RAMP = 4
"""Width of the widest gradient between two colours, in sides of a patch."""


class SyntheticPatches(FrozenModel):
    """Replace a share of the patches by colours that photographs hardly hold.

    A quarter of them each are one flat colour, two colours with an edge or a gradient between them,
    the photograph with its saturation increased, and the photograph overexposed.
    """

    share: _Fraction = 0.1
    """Fraction of all patches that are replaced."""
    clean_share: _Fraction = 0.4
    """Fraction of the synthetic patches without noise; the others have the noise of the rest."""
    saturation: Annotated[float, Field(ge=1)] = 4
    """Largest factor by which a photograph's distance from grey is multiplied."""
    exposure: Annotated[float, Field(ge=1)] = 3
    """Largest factor by which a photograph's values are multiplied before they are clipped."""

    def __call__(
        self, photos_B3PP: Tensor, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the patches, and for each patch (B,) True if it must stay without noise."""
        synthetic_B = torch.rand(len(photos_B3PP), generator=generator) < self.share
        clean_B = torch.rand(len(photos_B3PP), generator=generator) < self.clean_share
        patches_B3PP = photos_B3PP.clone()
        for index in synthetic_B.nonzero().flatten().tolist():
            patches_B3PP[index] = self._draw(photos_B3PP[index], generator)
        return patches_B3PP, synthetic_B & clean_B

    def _draw(self, photo_3PP: Tensor, generator: Generator | None) -> Tensor:
        kind = int(torch.randint(4, (), generator=generator))
        if kind == 0:
            return saturate(photo_3PP, draw_uniform(1, self.saturation, generator))
        if kind == 1:
            return quantize_8bit(photo_3PP * draw_uniform(1, self.exposure, generator))
        color, other = draw_color(generator), draw_color(generator)
        side = photo_3PP.shape[-1]
        blend_PP = draw_ramp(side, generator) if kind == 2 else torch.zeros(side, side)
        return quantize_8bit(color + (other - color) * blend_PP)


def saturate(photo_3PP: Tensor, factor: float) -> Tensor:
    """Multiply the distance of every pixel from its grey by `factor`, clipped to 0–1."""
    gray_3PP = to_gray(photo_3PP[None])[0]
    return quantize_8bit(gray_3PP + factor * (photo_3PP - gray_3PP))


def draw_color(generator: Generator | None = None) -> Tensor:
    """Draw a colour (3, 1, 1): each channel is 0, 1 or between with odds of 1:1:2, or all equal."""
    gray = draw_uniform(0, 1, generator) < _GRAY_SHARE
    levels = torch.rand(1 if gray else 3, 1, 1, generator=generator)
    return (2 * levels - 0.5).clamp(0, 1).expand(3, 1, 1)


def draw_ramp(side: int, generator: Generator | None = None) -> Tensor:
    """Draw a ramp (P, P) from 0 to 1 in a random direction, from a sharp edge to a slow gradient.

    The narrowest is one pixel wide, which antialiases a straight edge.
    """
    angle = draw_uniform(0, 2 * math.pi, generator)
    width = math.exp(draw_uniform(0, math.log(_WIDEST_RAMP * side), generator))
    position = torch.arange(side) - (side - 1) / 2
    distance = math.cos(angle) * position + math.sin(angle) * position[:, None]
    shift = draw_uniform(-side / 2, side / 2, generator)
    return ((distance - shift) / width + 0.5).clamp(0, 1)
