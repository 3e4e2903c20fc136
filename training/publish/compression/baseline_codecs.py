"""Sizes and PSNR of the same images in other codecs: whole files, each at its best setting."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LOSSLESS", "LOSSY", "SizePsnrPoint", "lossless_bytes", "lossy_curve"]

ImageArray = NDArray[np.uint8]

_QUALITIES = (1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95)
_PEAK = 255.0


@dataclass(frozen=True)
class SizePsnrPoint:
    """Mean size of a file in bytes and mean PSNR in dB, over images."""

    size_bytes: float
    psnr_db: float


def _encode_file(image_HWC: ImageArray, kind: str, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC).save(
        file, kind, **options
    )
    return file.getvalue()


LOSSLESS: dict[str, Callable[[ImageArray], bytes]] = {
    "gzip": lambda image: gzip.compress(image.tobytes(), 9, mtime=0),
    "png": lambda image: _encode_file(image, "PNG", optimize=True),
    "webp": lambda image: _encode_file(image, "WEBP", lossless=True, quality=100, method=6),
}
LOSSY: dict[str, Callable[[ImageArray, int], bytes]] = {
    "jpeg": lambda image, quality: _encode_file(image, "JPEG", quality=quality, optimize=True),
    "webp_lossy": lambda image, quality: _encode_file(image, "WEBP", quality=quality, method=6),
}


def lossless_bytes(codec: str, images_NHWC: ImageArray) -> float:
    """Return the mean size of a file."""
    return float(np.mean([len(LOSSLESS[codec](image)) for image in images_NHWC]))


def lossy_curve(codec: str, images_NHWC: ImageArray) -> list[SizePsnrPoint]:
    """Return mean size and mean PSNR at each quality, worst first."""
    curve = []
    for quality in _QUALITIES:
        files = [LOSSY[codec](image, quality) for image in images_NHWC]
        ratios = [_psnr_db(file, image) for file, image in zip(files, images_NHWC, strict=True)]
        curve.append(
            SizePsnrPoint(float(np.mean([len(file) for file in files])), float(np.mean(ratios)))
        )
    return curve


def _psnr_db(file: bytes, image_HWC: ImageArray) -> float:
    with Image.open(BytesIO(file)) as decoded:
        decoded_image = np.asarray(decoded.convert("L" if image_HWC.shape[2] == 1 else "RGB"))
    error = decoded_image.reshape(image_HWC.shape).astype(np.float64) - image_HWC
    # Floored as in `training.metrics.psnr`: a perfect copy has 100 dB.
    return float(-10 * np.log10(max(np.square(error / _PEAK).mean(), 1e-10)))
