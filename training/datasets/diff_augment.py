"""Random transforms of real and generated images before a discriminator sees them.

Differentiable augmentation (Zhao et al. 2020, arXiv 2006.10738): the discriminator cannot memorise
the few real images, and the generator receives its gradient through the transforms. Each is applied
to an image with a probability below one, because the generator would learn to imitate a transform
that is always applied (Karras et al. 2020, arXiv 2006.06676, section 2.2).

Shapes: B batch, C channels, H height, W width.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models_store.base import FrozenModel

_Share = Annotated[float, Field(ge=0, le=1)]


class DiffAugment(FrozenModel):
    """Transforms images (B, C, H, W) in -1 … 1 with random numbers of torch's default generator."""

    probability: _Share = 0.5
    """Probability of each of the five transforms, for each image."""
    brightness: _Share = 0.5
    """Largest shift of all pixels."""
    saturation: _Share = 1.0
    """Largest relative change of a pixel's distance to its own grey value."""
    contrast: _Share = 0.5
    """Largest relative change of a pixel's distance to the image's mean."""
    translation: _Share = 0.125
    """Largest shift, as a share of height and width; the border is filled with middle grey."""
    cutout: _Share = 0.5
    """Side of the square that is set to middle grey, as a share of the image's height and width."""

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        for change in (self._brighten, self._saturate, self._contrast, self._shift, self._cut):
            chosen_B111 = _uniform(images_BCHW) < self.probability
            images_BCHW = torch.where(chosen_B111, change(images_BCHW), images_BCHW)
        return images_BCHW

    def _brighten(self, images_BCHW: Tensor) -> Tensor:
        return images_BCHW + self.brightness * (2 * _uniform(images_BCHW) - 1)

    def _saturate(self, images_BCHW: Tensor) -> Tensor:
        return self._stretch(images_BCHW, images_BCHW.mean(1, keepdim=True), self.saturation)

    def _contrast(self, images_BCHW: Tensor) -> Tensor:
        return self._stretch(images_BCHW, images_BCHW.mean((1, 2, 3), keepdim=True), self.contrast)

    @staticmethod
    def _stretch(images_BCHW: Tensor, middle: Tensor, limit: float) -> Tensor:
        factor_B111 = 1 + limit * (2 * _uniform(images_BCHW) - 1)
        return (images_BCHW - middle) * factor_B111 + middle

    def _shift(self, images_BCHW: Tensor) -> Tensor:
        batch, device = len(images_BCHW), images_BCHW.device
        theta_B23 = torch.eye(2, 3, device=device).repeat(batch, 1, 1)
        for axis, length in enumerate((images_BCHW.shape[3], images_BCHW.shape[2])):
            limit = int(self.translation * length + 0.5)
            pixels_B = torch.randint(-limit, limit + 1, (batch,), device=device)
            theta_B23[:, axis, 2] = pixels_B * 2 / length
        grid_BHW2 = functional.affine_grid(theta_B23, list(images_BCHW.shape), align_corners=False)
        return functional.grid_sample(images_BCHW, grid_BHW2, mode="nearest", align_corners=False)

    def _cut(self, images_BCHW: Tensor) -> Tensor:
        """Set a square to middle grey; its centre is anywhere, so it may be cut off at an edge."""
        inside = torch.ones((), dtype=torch.bool, device=images_BCHW.device)
        for axis in (2, 3):
            length = images_BCHW.shape[axis]
            shape = [1, 1, 1, 1]
            shape[axis] = length
            positions = torch.arange(length, device=images_BCHW.device).view(shape) + 0.5
            center_B111 = _uniform(images_BCHW) * length
            inside = inside & ((positions - center_B111).abs() < self.cutout * length / 2)
        return images_BCHW * ~inside


def _uniform(images_BCHW: Tensor) -> Tensor:
    """Return a random number in 0 … 1 for each image, (B, 1, 1, 1)."""
    return torch.rand(len(images_BCHW), 1, 1, 1, device=images_BCHW.device)
