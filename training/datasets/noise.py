"""Noise for training and measuring denoisers."""

from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Generator, Tensor

from models_store.base import FrozenModel

_LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow converts colour to grey."""


class Noise(FrozenModel):
    """Gaussian noise N(mean, std²) on images in 0–1, clipped to 0–1 like a stored file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]
    label: str
    """Name of the noise in captions."""
    mean: float = 0.0
    std: NonNegativeFloat
    std_from: NonNegativeFloat | None = None
    """If set, the deviation of each image is drawn uniformly from `std_from` to `std`."""
    weight: PositiveFloat = 1.0
    """How many training images get this noise, relative to the others' weights."""

    def __call__(self, clean_BCHW: Tensor, generator: Generator | None = None) -> Tensor:
        std: Tensor | float = self.std
        if self.std_from is not None:
            shape = (len(clean_BCHW), 1, 1, 1)
            unit = torch.rand(shape, generator=generator, device=clean_BCHW.device)
            std = self.std_from + (self.std - self.std_from) * unit
        noise = torch.randn(clean_BCHW.shape, generator=generator, device=clean_BCHW.device)
        return (clean_BCHW + self.mean + std * noise).clamp(0, 1)

    def describe(self) -> str:
        """Describe the distribution in the usual notation."""
        spread = f"{self.std:g}" if self.std_from is None else f"{self.std_from:g}–{self.std:g}"
        return f"Gaussian noise of mean {self.mean:g} and deviation {spread}, clipped to 0–1"


def quantize_8bit(images: Tensor) -> Tensor:
    """Round to multiples of 1/255, still as floats in 0–1."""
    return (images.clamp(0, 1) * 255).round() / 255


def to_gray(images_BCHW: Tensor) -> Tensor:
    """Convert images in 0–1 to 8-bit grey, repeated in three channels."""
    luma = torch.tensor(_LUMA, device=images_BCHW.device).view(1, 3, 1, 1)
    return quantize_8bit((images_BCHW * luma).sum(1, keepdim=True)).expand_as(images_BCHW)


def is_gray(images_BCHW: Tensor) -> bool:
    """Return True if all three channels are equal."""
    return bool((images_BCHW == images_BCHW[:, :1]).all())


def add_gaussian_noise(clean_BCHW: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Add unclipped Gaussian noise of `sigma` grey levels; grey images stay grey."""
    shape = list(clean_BCHW.shape)
    if is_gray(clean_BCHW):
        shape[1] = 1
    noise = torch.randn(shape, generator=generator).to(clean_BCHW.device)
    return clean_BCHW + sigma / 255 * noise
