"""Random changes to a batch of training pictures, vectorised: no loop over pictures.

Every transform maps uint8 (B, C, H, W) to the same, drawing from the generator that it is given,
so that an epoch is a function of its seed alone.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Generator, Tensor
from torch.nn import functional

from models_store.frozen import Frozen

__all__ = ["Crop", "Flip", "Transform"]


class Flip(Frozen):
    """Left–right, each picture with probability one half."""

    kind: Literal["flip"] = "flip"

    def __call__(self, images_BCHW: Tensor, generator: Generator) -> Tensor:
        flipped = torch.rand(len(images_BCHW), 1, 1, 1, generator=generator) < 0.5
        return torch.where(flipped, images_BCHW.flip(3), images_BCHW)


class Crop(Frozen):
    """Shift by up to `padding` pixels each way, zeros moving in (He et al. 2015, section 4.2)."""

    kind: Literal["crop"] = "crop"
    padding: PositiveInt = 4

    def __call__(self, images_BCHW: Tensor, generator: Generator) -> Tensor:
        batch, channels, height, width = images_BCHW.shape
        padded = functional.pad(images_BCHW, (self.padding,) * 4)
        span = 2 * self.padding + 1
        top = torch.randint(span, (batch,), generator=generator)
        left = torch.randint(span, (batch,), generator=generator)
        rows_BH = top[:, None] + torch.arange(height)
        columns_BW = left[:, None] + torch.arange(width)
        # Indexing all four axes at once gathers every picture's own window in one call.
        return padded[
            torch.arange(batch)[:, None, None, None],
            torch.arange(channels)[None, :, None, None],
            rows_BH[:, None, :, None],
            columns_BW[:, None, None, :],
        ]


Transform = Annotated[Flip | Crop, Field(discriminator="kind")]
