"""Random transforms of a batch of training images, vectorised over the batch.

Every transform maps uint8 (B, C, H, W) to uint8 (B, C, H, W), perhaps of another H and W. It draws
only from the given generator, so that an epoch depends on its seed alone.
"""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Generator, Tensor
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.base import ImageSplit

_Fraction = Annotated[float, Field(gt=0, le=1)]


class Flip(FrozenModel):
    """Mirror each image horizontally with probability one half."""

    kind: Literal["flip"] = "flip"

    def __call__(self, images_BCHW: Tensor, generator: Generator) -> Tensor:
        flipped = torch.rand(len(images_BCHW), 1, 1, 1, generator=generator) < 0.5
        return torch.where(flipped, images_BCHW.flip(3), images_BCHW)


def alternately_flipped(split: ImageSplit, seed: int, epoch: int) -> ImageSplit:
    """Mirror every image in every second epoch; a random half starts mirrored."""
    generator = Generator().manual_seed(seed)
    first_N = torch.rand(len(split), generator=generator) < 0.5
    flipped_N = first_N if epoch % 2 == 0 else ~first_N
    images_NCHW = split.images_NCHW.clone()
    images_NCHW[flipped_N] = images_NCHW[flipped_N].flip(3)
    return ImageSplit(images_NCHW, split.labels_N)


class Crop(FrozenModel):
    """Shift by up to `padding` pixels in each direction (He et al. 2015, section 4.2)."""

    kind: Literal["crop"] = "crop"
    padding: PositiveInt = 4
    fill: Literal["zeros", "reflection"] = "zeros"
    """Content of the padding: black, or the image mirrored at its edge (Jordan 2024, 3.1)."""

    def __call__(self, images_BCHW: Tensor, generator: Generator) -> Tensor:
        batch, channels, height, width = images_BCHW.shape
        mode = "constant" if self.fill == "zeros" else "reflect"
        padded = functional.pad(images_BCHW, (self.padding,) * 4, mode)
        span = 2 * self.padding + 1
        top = torch.randint(span, (batch,), generator=generator)
        left = torch.randint(span, (batch,), generator=generator)
        rows_BH = top[:, None] + torch.arange(height)
        columns_BW = left[:, None] + torch.arange(width)
        # Indexing all four axes at once gathers every image's own window in one call.
        return padded[
            torch.arange(batch)[:, None, None, None],
            torch.arange(channels)[None, :, None, None],
            rows_BH[:, None, :, None],
            columns_BW[:, None, None, :],
        ]


class ResizedCrop(FrozenModel):
    """Resize a random part of the image to `size` (Szegedy et al. 2015, arXiv 1409.4842).

    Training on a smaller size than is served makes objects as large as at test time (Touvron et al.
    2019, arXiv 1906.06423), and a step is cheaper.
    """

    kind: Literal["resized_crop"] = "resized_crop"
    size: PositiveInt
    """Height and width of the output."""
    area: tuple[_Fraction, _Fraction] = (0.35, 1.0)
    """Smallest and largest share of the image's area."""
    ratio: Annotated[float, Field(ge=1)] = 4 / 3
    """Largest ratio of the part's longer side to its shorter one."""

    @model_validator(mode="after")
    def _validate_area(self) -> Self:
        if self.area[0] > self.area[1]:
            raise ValueError(f"area must be (smallest, largest), got {self.area}")
        return self

    def __call__(self, images_BCHW: Tensor, generator: Generator) -> Tensor:
        batch, channels, height, width = images_BCHW.shape
        u_4B = torch.rand(4, batch, generator=generator)
        area_B = height * width * (self.area[0] + u_4B[0] * (self.area[1] - self.area[0]))
        ratio_B = self.ratio ** (2 * u_4B[1] - 1)
        # As shares of the sides. A part that would be wider than the image is clamped to its width.
        wide_B = ((area_B * ratio_B).sqrt() / width).clamp(max=1)
        high_B = ((area_B / ratio_B).sqrt() / height).clamp(max=1)
        theta_B23 = torch.zeros(batch, 2, 3)
        theta_B23[:, 0, 0], theta_B23[:, 1, 1] = wide_B, high_B
        theta_B23[:, 0, 2] = (2 * u_4B[2] - 1) * (1 - wide_B)
        theta_B23[:, 1, 2] = (2 * u_4B[3] - 1) * (1 - high_B)
        grid_BHW2 = functional.affine_grid(
            theta_B23, [batch, channels, self.size, self.size], align_corners=False
        )
        cut = functional.grid_sample(
            images_BCHW.float(), grid_BHW2, padding_mode="border", align_corners=False
        )
        return cut.round().clamp(0, 255).to(torch.uint8)


Transform = Annotated[Flip | Crop | ResizedCrop, Field(discriminator="kind")]
