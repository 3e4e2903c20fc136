"""Metrics of a published codec of photographs: sizes and quality of its codes.

Shapes: H, W pixels; photographs are uint8 (3, H, W) as data, (H, W, 3) as images.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models_store.compression.container import CompressedImage, pack
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.manifest import Metric
from training.metrics.rate_distortion import RatePoint, bd_rate, image_psnr_db
from training.plots.rate_distortion import draw_crops
from training.publish.compression.baseline_codecs import decode_file, encode_file

ImageArray = NDArray[np.uint8]

BASELINE_CODECS: Mapping[str, Mapping[str, object]] = {
    "JPEG": {"optimize": True, "subsampling": "4:2:0"},
    "WEBP": {"method": 6},
    "AVIF": {"speed": 6, "subsampling": "4:2:0"},
}
"""Pillow's other codecs, each with options for small files."""
BASELINE_QUALITIES: Mapping[str, tuple[int, ...]] = {
    "JPEG": (4, 6, 9, 13, 18, 25, 35, 50, 65, 78, 88, 94, 97),
    "WEBP": (1, 5, 12, 25, 40, 55, 70, 80, 88, 94, 98),
    "AVIF": (8, 15, 25, 35, 45, 55, 65, 75, 84, 92),
}
DATASET = "sample photographs of scikit-learn and scikit-image"
_SCIKIT_LEARN_PHOTOS = 2
_PREVIEW_INDEX = 3
"""Index of the photograph in the preview."""
_PREVIEW_QUALITY = 2
"""Quality of the preview."""


def report(
    name: str, image_codec: HyperpriorImageCodec, test: Sequence[Tensor], preview: Path
) -> tuple[Metric, ...]:
    """Measure the published graphs on whole photographs, and draw the preview."""
    images = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in test]
    own = [model_curve(image_codec, image) for image in images]
    _draw_preview(name, image_codec, images[min(_PREVIEW_INDEX, len(images) - 1)], preview)
    dataset = DATASET if len(images) > _SCIKIT_LEARN_PHOTOS else "samples of scikit-learn"
    metric = partial(Metric, dataset=dataset, split="test", n=len(images))
    metrics = []
    for codec, options in BASELINE_CODECS.items():
        pairs = zip((baseline_curve(codec, image) for image in images), own, strict=True)
        described = ", ".join(f"{key} {value}" for key, value in options.items())
        metrics.append(
            metric(
                name=f"bd_rate_{codec.lower()}",
                value=mean(bd_rate(reference, tested) for reference, tested in pairs),
                unit="%",
                note="mean over photographs, whole files, PSNR of RGB, against Pillow's "
                f"{codec} ({described})",
            )
        )
    for quality, points in enumerate(zip(*own, strict=True), start=1):
        rate, psnr = (mean(values) for values in zip(*points, strict=True))
        note = "whole container, mean over photographs"
        metrics.append(metric(name=f"bits_per_pixel_q{quality}", value=rate, note=note))
        note = "of RGB, mean over photographs"
        metrics.append(metric(name=f"psnr_q{quality}", value=psnr, unit="dB", note=note))
    return tuple(metrics)


def model_curve(image_codec: HyperpriorImageCodec, image: ImageArray) -> list[RatePoint]:
    """Measure one image at every quality, worst first, in bits per pixel."""
    points = []
    for quality in range(1, image_codec.task.qualities + 1):
        encoded = image_codec.encode(image, quality)
        decoded = image_codec.reconstruct(encoded.latents, quality, *image.shape[:2])
        points.append(_measure_file(_pack(encoded.payload, image), decoded, image))
    return points


def baseline_curve(codec: str, image: ImageArray) -> list[RatePoint]:
    """Measure one image in one of Pillow's codecs at every quality, worst first."""
    files = [encode_with_pillow(codec, image, quality) for quality in BASELINE_QUALITIES[codec]]
    return [_measure_file(file, decode_file(file), image) for file in files]


def encode_with_pillow(codec: str, image: ImageArray, quality: int) -> bytes:
    """Return a whole file."""
    return encode_file(image, codec, quality=quality, **BASELINE_CODECS[codec])


def _pack(payload: bytes, image: ImageArray) -> bytes:
    """Return the whole container; it has the same length whatever its fingerprint is."""
    height, width = image.shape[:2]
    return pack(CompressedImage(bytes(4), width, height, "RGB", payload))


def _measure_file(file: bytes, decoded: ImageArray, image: ImageArray) -> RatePoint:
    """Return bits per pixel of a file, and PSNR of its decoded image."""
    bits_per_pixel = 8 * len(file) / (image.shape[0] * image.shape[1])
    return RatePoint(bits_per_pixel, image_psnr_db(decoded, image))


def _draw_preview(
    name: str, image_codec: HyperpriorImageCodec, image: ImageArray, preview: Path
) -> None:
    """Draw the original, JPEG with at least as many bytes, and ours, side by side."""
    payload = image_codec.encode(image, _PREVIEW_QUALITY).payload
    code = _pack(payload, image)
    ours, _ = image_codec.decode(payload, *image.shape[:2])
    files = [encode_with_pillow("JPEG", image, quality) for quality in range(1, 96)]
    jpeg = next((file for file in files if len(file) >= len(code)), files[-1])
    columns = [(f"original ({image.size:,} bytes)", image)]
    for label, file, decoded in (
        ("JPEG", jpeg, decode_file(jpeg)),
        (f"{name}, quality {_PREVIEW_QUALITY}", code, ours),
    ):
        psnr_db = image_psnr_db(decoded, image)
        columns.append((f"{label}: {len(file):,} bytes, {psnr_db:.1f} dB", decoded))
    draw_crops(columns, preview)
