"""Metrics of a published codec of photographs: sizes and quality of its codes.

Shapes: H, W pixels; photographs are uint8 (3, H, W) as data, (H, W, 3) as images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models_store.compression.container import CompressedImage, pack
from models_store.compression.image_codec import HyperpriorImageCodec
from models_store.manifest import Metric
from training.metrics.bd_rate import bd_rate
from training.metrics.psnr import image_psnr_db
from training.plots.codec_comparison import draw_crops
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


@dataclass(frozen=True)
class RateDistortionPoint:
    """Rate and PSNR of an encoded image."""

    bits_per_pixel: float
    """Bits of the whole file per pixel."""
    psnr_db: float


def report(
    name: str, image_codec: HyperpriorImageCodec, test: Sequence[Tensor], preview: Path
) -> tuple[Metric, ...]:
    """Measure the published graphs on whole photographs, and draw the preview."""
    images = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in test]
    model_curves = [model_curve(image_codec, image) for image in images]
    _draw_preview(name, image_codec, images[min(_PREVIEW_INDEX, len(images) - 1)], preview)

    def metric(key: str, value: float, unit: str, note: str) -> Metric:
        return Metric(
            name=key,
            value=value,
            unit=unit,
            dataset=DATASET if len(images) > _SCIKIT_LEARN_PHOTOS else "samples of scikit-learn",
            split="test",
            n=len(images),
            note=note,
        )

    bd_rates = (
        metric(
            f"bd_rate_{codec.lower()}",
            mean(
                bd_rate(_rate_psnr_pairs(baseline_curve(codec, image)), _rate_psnr_pairs(own))
                for image, own in zip(images, model_curves, strict=True)
            ),
            "%",
            f"mean over photographs, whole files, PSNR of RGB, against Pillow's {codec}"
            f" ({', '.join(f'{key} {value}' for key, value in options.items())})",
        )
        for codec, options in BASELINE_CODECS.items()
    )
    per_quality = (
        metric(
            f"{key}_q{index + 1}",
            mean(getattr(own[index], field) for own in model_curves),
            unit,
            note,
        )
        for index in range(len(model_curves[0]))
        for key, field, unit, note in (
            ("bits_per_pixel", "bits_per_pixel", "", "whole container, mean over photographs"),
            ("psnr", "psnr_db", "dB", "of RGB, mean over photographs"),
        )
    )
    return (*bd_rates, *per_quality)


def encode_to_file(image_codec: HyperpriorImageCodec, image: ImageArray, quality: int) -> bytes:
    """Return the whole container; it has the same length whatever its fingerprint is."""
    height, width = image.shape[:2]
    payload = image_codec.encode(image, quality).payload
    return pack(CompressedImage(bytes(4), width, height, "RGB", payload))


def model_curve(image_codec: HyperpriorImageCodec, image: ImageArray) -> list[RateDistortionPoint]:
    """Measure one image at every quality, worst first."""
    height, width = image.shape[:2]
    points = []
    for quality in range(1, image_codec.task.qualities + 1):
        encoded = image_codec.encode(image, quality)
        file = pack(CompressedImage(bytes(4), width, height, "RGB", encoded.payload))
        decoded = image_codec.reconstruct(encoded.latents, quality, height, width)
        points.append(measure_file(file, decoded, image))
    return points


def baseline_curve(codec: str, image: ImageArray) -> list[RateDistortionPoint]:
    """Measure one image in one of Pillow's codecs at every quality, worst first."""
    points = []
    for quality in BASELINE_QUALITIES[codec]:
        file = encode_with_pillow(codec, image, quality)
        points.append(measure_file(file, decode_file(file), image))
    return points


def encode_with_pillow(codec: str, image: ImageArray, quality: int) -> bytes:
    """Return a whole file."""
    return encode_file(image, codec, quality=quality, **BASELINE_CODECS[codec])


def measure_file(file: bytes, decoded: ImageArray, image: ImageArray) -> RateDistortionPoint:
    """Return bits per pixel of a file, and PSNR of its decoded image."""
    bits_per_pixel = 8 * len(file) / (image.shape[0] * image.shape[1])
    return RateDistortionPoint(bits_per_pixel, image_psnr_db(decoded, image))


def _rate_psnr_pairs(points: Iterable[RateDistortionPoint]) -> list[tuple[float, float]]:
    return [(point.bits_per_pixel, point.psnr_db) for point in points]


def _draw_preview(
    name: str, image_codec: HyperpriorImageCodec, image: ImageArray, preview: Path
) -> None:
    """Draw the original, JPEG with at least as many bytes, and ours, side by side."""
    code = encode_to_file(image_codec, image, _PREVIEW_QUALITY)
    height, width = image.shape[:2]
    payload = image_codec.encode(image, _PREVIEW_QUALITY).payload
    ours, _ = image_codec.decode(payload, height, width)
    files = [encode_with_pillow("JPEG", image, quality) for quality in range(1, 96)]
    jpeg = next((file for file in files if len(file) >= len(code)), files[-1])
    with Image.open(BytesIO(jpeg)) as opened:
        theirs = np.asarray(opened.convert("RGB"))
    draw_crops(
        [
            (f"original ({image.size:,} bytes)", image),
            _with_caption("JPEG", jpeg, theirs, image),
            _with_caption(f"{name}, quality {_PREVIEW_QUALITY}", code, ours, image),
        ],
        preview,
    )


def _with_caption(
    label: str, file: bytes, decoded: ImageArray, image: ImageArray
) -> tuple[str, ImageArray]:
    point = measure_file(file, decoded, image)
    return f"{label}: {len(file):,} bytes, {point.psnr_db:.1f} dB", decoded
