"""A camera's image signal processor (ISP) and its inverse (Brooks et al. 2019).

"Unprocessing Images for Learned Raw Denoising", arXiv 1811.11127, section 3; ranges and matrices
are those of its published code. Shapes: B images, H height, W width; values lie in 0–1.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

_XYZ_TO_CAMERAS = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.613, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.838, -0.263, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.097, 0.1581, 0.5181)),
)
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_RED_GAIN, _BLUE_GAIN = (1.9, 2.4), (1.5, 1.9)
_EXPOSURE, _EXPOSURE_SPREAD = 0.8, 0.1
_INFLECTION = 0.9
"""Mean value above which the inverse gains fade out, so that white stays saturated."""
_DARKEST = 1e-8


def draw_uniform(low: float, high: float, generator: Generator | None = None) -> float:
    """Draw a number from the uniform distribution between two."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def smoothstep(x: Tensor) -> Tensor:
    """Apply the global tone curve 3 x² − 2 x³."""
    return x.square() * (3 - 2 * x)


def inverse_smoothstep(y: Tensor) -> Tensor:
    """Undo `smoothstep` in 0–1."""
    return 0.5 - torch.sin(torch.asin(1 - 2 * y) / 3)


@dataclass(frozen=True)
class CameraIsp:
    """Convert between an image and the linear values of one camera's sensor."""

    gains: Tensor
    """White balance times exposure for red, green and blue: (3, 1, 1)."""
    rgb_to_camera: Tensor
    """(3, 3); rows sum to 1, so that grey stays grey."""
    gamma: float = 2.2
    tone_curve: bool = True

    @classmethod
    def sample(
        cls,
        gamma: tuple[float, float],
        tone_curve_share: float,
        generator: Generator | None = None,
    ) -> Self:
        """Draw a camera: a mixture of four measured matrices, random gains and a random curve."""
        exposure = _EXPOSURE + _EXPOSURE_SPREAD * float(torch.randn((), generator=generator))
        red, blue = draw_uniform(*_RED_GAIN, generator), draw_uniform(*_BLUE_GAIN, generator)
        weights = torch.rand(len(_XYZ_TO_CAMERAS), 1, 1, generator=generator) + _DARKEST
        xyz_to_camera = (torch.tensor(_XYZ_TO_CAMERAS) * weights).sum(0) / weights.sum()
        matrix = xyz_to_camera @ torch.tensor(_RGB_TO_XYZ)
        return cls(
            gains=torch.tensor([red, 1.0, blue]).view(3, 1, 1) / max(exposure, 0.4),
            rgb_to_camera=matrix / matrix.sum(1, keepdim=True),
            gamma=draw_uniform(*gamma, generator),
            tone_curve=draw_uniform(0, 1, generator) < tone_curve_share,
        )

    def unprocess(self, images_B3HW: Tensor) -> Tensor:
        """Return linear camera colours as they are before white balance."""
        toned = inverse_smoothstep(images_B3HW) if self.tone_curve else images_B3HW
        linear = toned.clamp_min(_DARKEST) ** self.gamma
        camera = _mix_channels(linear, self.rgb_to_camera)
        inverse = 1 / self.gains
        nearly_white = (camera.mean(1, keepdim=True) - _INFLECTION).clamp_min(0)
        fading = (nearly_white / (1 - _INFLECTION)).square()
        return (camera * torch.maximum(fading + (1 - fading) * inverse, inverse)).clamp(0, 1)

    def process(self, balanced_B3HW: Tensor) -> Tensor:
        """Return the image for linear camera colours after white balance."""
        camera_to_rgb = torch.linalg.inv(self.rgb_to_camera)
        linear = _mix_channels(balanced_B3HW, camera_to_rgb).clamp(_DARKEST, 1)
        toned = linear ** (1 / self.gamma)
        return smoothstep(toned) if self.tone_curve else toned


def _mix_channels(images_B3HW: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", matrix, images_B3HW)
