"""Sizes and PSNR of images in Pillow's codecs: whole files, each at its best setting."""

import gzip
from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.metrics.rate_distortion import RatePoint, image_psnr_db

ImageArray = NDArray[np.uint8]

_QUALITIES = (1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95)


def encode_file(image_HWC: ImageArray, kind: str, **options: object) -> bytes:
    """Return a file of one of Pillow's formats."""
    file = BytesIO()
    pixels = image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def decode_file(file: bytes, channels: int = 3) -> ImageArray:
    """Return the image (H, W, C) of a file."""
    with Image.open(BytesIO(file)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


LOSSLESS: dict[str, Callable[[ImageArray], bytes]] = {
    "gzip": lambda image: gzip.compress(image.tobytes(), 9, mtime=0),
    "png": lambda image: encode_file(image, "PNG", optimize=True),
    "webp": lambda image: encode_file(image, "WEBP", lossless=True, quality=100, method=6),
}
LOSSY: dict[str, Callable[[ImageArray, int], bytes]] = {
    "jpeg": lambda image, quality: encode_file(image, "JPEG", quality=quality, optimize=True),
    "webp_lossy": lambda image, quality: encode_file(image, "WEBP", quality=quality, method=6),
}


def lossless_bytes(codec: str, images_NHWC: ImageArray) -> float:
    """Return the mean size of a file."""
    return float(np.mean([len(LOSSLESS[codec](image)) for image in images_NHWC]))


def lossy_curve(codec: str, images_NHWC: ImageArray) -> list[RatePoint]:
    """Return mean size in bytes and mean PSNR at each quality, worst first."""
    curve = []
    for quality in _QUALITIES:
        files = [LOSSY[codec](image, quality) for image in images_NHWC]
        ratios = [
            image_psnr_db(decode_file(file, image.shape[2]), image)
            for file, image in zip(files, images_NHWC, strict=True)
        ]
        curve.append(RatePoint(float(np.mean(list(map(len, files)))), float(np.mean(ratios))))
    return curve
