"""Noise of a simulated camera, as training data for a denoiser.

Photograph → linear camera colours → Bayer mosaic → shot and read noise → demosaicing → image →
often made smaller → mostly JPEG. The order is that of CBDNet (Guo et al. 2019, arXiv 1807.04686);
scaling and JPEG behind it are those of SCUNet (Zhang et al. 2022, arXiv 2203.13278).
"""

import io
import math
from typing import Annotated, Literal, Self

import numpy as np
import torch
from PIL import Image
from pydantic import Field, PositiveFloat, model_validator
from torch import Generator, Tensor
from torch.nn import functional

from models_store.base import FrozenModel
from training.datasets.camera.bayer import Demosaicing, demosaic, mosaic
from training.datasets.camera.isp import CameraIsp, draw_uniform
from training.datasets.noise import is_gray, quantize_8bit, to_gray

_Fraction = Annotated[float, Field(ge=0, le=1)]
_METHODS: tuple[Demosaicing, ...] = ("bilinear", "malvar")
_READ_SPREAD = 0.26
_HALVED_CHROMA = 2
"""Pillow's code for 4:2:0."""
_BLOCK = 8
"""Side of a JPEG block. Patches are cut at any offset within it."""


class CameraNoise(FrozenModel):
    """Give a share of the patches the noise of a random camera instead of Gaussian noise.

    The target is the same camera's image of the scene without noise, before JPEG, which is the
    mean of many shots. The network therefore learns to keep the camera's colours and sharpness.
    """

    kind: Literal["camera"] = "camera"
    share: _Fraction = 0.5
    """Fraction of all patches that a camera takes."""
    jpeg_share: _Fraction = 0.05
    """Fraction of all patches that have JPEG artefacts and no noise."""
    shot: tuple[PositiveFloat, PositiveFloat] = (0.0001, 0.012)
    """Variance of a pixel at white, drawn evenly in its logarithm; read noise follows it."""
    gamma: tuple[PositiveFloat, PositiveFloat] = (1.8, 2.4)
    tone_curve_share: _Fraction = 0.5
    """Fraction of cameras with a smoothstep tone curve."""
    enlarged: tuple[PositiveFloat, PositiveFloat] = (1, 2)
    """Factors by which a scene is enlarged before the camera takes it: a full-size photograph is
    softer than the reduced ones of a data set."""
    reduced: tuple[PositiveFloat, PositiveFloat] = (0.5, 1)
    """Factors by which a finished image is reduced, in a fraction `reduced_share` of cases."""
    reduced_share: _Fraction = 0.5
    jpeg_quality: tuple[int, int] = (50, 98)
    stored_as_jpeg: _Fraction = 0.8
    grey_share: _Fraction = 0.15

    @model_validator(mode="after")
    def _validate_ranges(self) -> Self:
        ranges = (self.shot, self.gamma, self.enlarged, self.reduced, self.jpeg_quality)
        if any(low > high for low, high in ranges):
            raise ValueError("each range must be (smallest, largest)")
        if self.share + self.jpeg_share > 1:
            raise ValueError("share and jpeg_share must add up to at most 1")
        return self

    def __call__(
        self, photo_3HW: Tensor, size: int, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return a noisy shot and its target, both (3, size, size), of a random place."""
        draws = _RandomDraws(generator)
        factor = draws.uniform(self.reduced) if draws.chance(self.reduced_share) else 1.0
        scene = self._sample_scene(photo_3HW, math.ceil((size + _BLOCK) / factor), draws)
        shot, truth = self._take_shot(scene, draws)
        if factor < 1:
            shot, truth = (_resize(image, size + _BLOCK) for image in (shot, truth))
        if draws.chance(self.grey_share):
            shot, truth = to_gray(shot[None])[0], to_gray(truth[None])[0]
        shot = self.compress(shot, draws) if draws.chance(self.stored_as_jpeg) else shot
        window = draws.crop_window(shot, size)
        return quantize_8bit(shot[window]), truth[window]

    def _sample_scene(self, photo_3HW: Tensor, side: int, draws: "_RandomDraws") -> Tensor:
        """Return a random part of the photograph, enlarged to (3, side, side)."""
        shortest = min(photo_3HW.shape[1:])
        low, high = self.enlarged
        low = max(low, side / shortest)
        part = min(shortest, round(side / draws.uniform((low, max(low, high)))))
        return _resize(photo_3HW[draws.crop_window(photo_3HW, part)], side)

    def compress(self, image_3HW: Tensor, draws: "_RandomDraws | None" = None) -> Tensor:
        """Return the image after JPEG compression at a random quality."""
        low, high = self.jpeg_quality
        return jpeg_round_trip(image_3HW, low + (draws or _RandomDraws()).integer(high - low + 1))

    def _take_shot(self, scene_3HW: Tensor, draws: "_RandomDraws") -> tuple[Tensor, Tensor]:
        camera = CameraIsp.sample(self.gamma, self.tone_curve_share, draws.generator)
        phase = (draws.integer(2), draws.integer(2))
        method = _METHODS[draws.integer(len(_METHODS))]
        shot = math.exp(draws.uniform((math.log(self.shot[0]), math.log(self.shot[1]))))
        read = read_variance(shot, float(torch.randn((), generator=draws.generator)))
        raw_11HW = mosaic(camera.unprocess(scene_3HW[None]), phase)
        noisy_11HW = add_sensor_noise(raw_11HW, shot, read, draws.generator).clamp(0, 1)
        gains = mosaic(camera.gains.expand_as(scene_3HW)[None], phase)
        balanced = (torch.cat([noisy_11HW, raw_11HW]) * gains).clamp(max=1)
        noisy, clean = camera.process(demosaic(balanced, phase, method))
        return quantize_8bit(noisy), clean


class _RandomDraws:
    """Draw random numbers from a generator, or from torch's global state."""

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator

    def uniform(self, limits: tuple[float, float]) -> float:
        return draw_uniform(*limits, self.generator)

    def chance(self, share: float) -> bool:
        return self.uniform((0, 1)) < share

    def integer(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self.generator))

    def crop_window(self, image_3HW: Tensor, side: int) -> tuple[slice, slice, slice]:
        top, left = (self.integer(length - side + 1) for length in image_3HW.shape[1:])
        return slice(None), slice(top, top + side), slice(left, left + side)


def read_variance(shot: float, normal: float = 0.0) -> float:
    """Return the read noise that goes with a shot noise (Brooks et al., section 3.1)."""
    return math.exp(2.18 * math.log(shot) + 1.20 + _READ_SPREAD * normal)


def add_sensor_noise(
    raw: Tensor, shot: float, read: float, generator: Generator | None = None
) -> Tensor:
    """Add Gaussian noise of variance shot · raw + read, for photons and for the circuit."""
    deviation = (shot * raw + read).sqrt()
    return raw + deviation * torch.randn(raw.shape, generator=generator)


def jpeg_round_trip(image_3HW: Tensor, quality: int) -> Tensor:
    """Compress an image in 0–1 with halved chroma and decode it; grey stays grey."""
    levels = (quantize_8bit(image_3HW) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    gray = is_gray(image_3HW[None])
    file = io.BytesIO()
    image = Image.fromarray(levels[..., 0] if gray else np.ascontiguousarray(levels))
    image.save(file, "JPEG", quality=quality, subsampling=_HALVED_CHROMA)
    back = np.array(Image.open(file).convert("RGB"))
    return torch.from_numpy(back).permute(2, 0, 1).float() / 255


def _resize(image_3HW: Tensor, side: int) -> Tensor:
    """Enlarge or reduce a square image to `side`."""
    if image_3HW.shape[-1] == side:
        return image_3HW
    reduces = image_3HW.shape[-1] > side
    scaled = functional.interpolate(
        image_3HW[None], size=(side, side), mode="bicubic", antialias=reduces, align_corners=False
    )
    return scaled[0].clamp(0, 1)
