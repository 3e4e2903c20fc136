"""What the codes of a published codec of photographs weigh, and how near they come.

Shapes: H, W pixels; photographs are uint8 (3, H, W) as data, (H, W, 3) as pictures.
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

from models_store.compression.container import Code, pack
from models_store.compression.image_codec import Photographs
from models_store.manifest import Metric
from training.metrics.bd_rate import bd_rate
from training.plots.codec_comparison import draw_compared

__all__ = ["OTHERS", "Rated", "code_of", "compared", "curve", "other_curve", "report", "saved"]

Picture = NDArray[np.uint8]

OTHERS: Mapping[str, Mapping[str, object]] = {
    "JPEG": {"optimize": True, "subsampling": "4:2:0"},
    "WEBP": {"method": 6},
    "AVIF": {"speed": 6, "subsampling": "4:2:0"},
}
"""Pillow's other codecs, each as it is used to keep files small."""
QUALITIES: Mapping[str, tuple[int, ...]] = {
    "JPEG": (4, 6, 9, 13, 18, 25, 35, 50, 65, 78, 88, 94, 97),
    "WEBP": (1, 5, 12, 25, 40, 55, 70, 80, 88, 94, 98),
    "AVIF": (8, 15, 25, 35, 45, 55, 65, 75, 84, 92),
}
DATASET = "sample photographs of scikit-learn and scikit-image"
_OF_SCIKIT_LEARN = 2
_SHOWN = 3
"""Which photograph the preview shows …"""
_SHOWN_QUALITY = 2
"""… and at which quality."""


@dataclass(frozen=True)
class Rated:
    """A picture coded once."""

    bits_per_pixel: float
    """The whole file counted."""
    psnr_db: float


def report(
    name: str, photographs: Photographs, test: Sequence[Tensor], preview: Path
) -> tuple[Metric, ...]:
    """Figures of the published graphs on whole photographs; draws the preview."""
    pictures = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in test]
    ours = [curve(name, photographs, picture) for picture in pictures]
    _draw(name, photographs, pictures[min(_SHOWN, len(pictures) - 1)], preview)

    def metric(key: str, value: float, unit: str, note: str) -> Metric:
        return Metric(
            name=key,
            value=value,
            unit=unit,
            dataset=DATASET if len(pictures) > _OF_SCIKIT_LEARN else "samples of scikit-learn",
            split="test",
            n=len(pictures),
            note=note,
        )

    against = (
        metric(
            f"bd_rate_{codec.lower()}",
            mean(
                bd_rate(_points(other_curve(codec, picture)), _points(own))
                for picture, own in zip(pictures, ours, strict=True)
            ),
            "%",
            f"mean over photographs, whole files, PSNR of RGB, against Pillow's {codec}"
            f" ({', '.join(f'{key} {value}' for key, value in options.items())})",
        )
        for codec, options in OTHERS.items()
    )
    each = (
        metric(f"{key}_q{index + 1}", mean(getattr(own[index], field) for own in ours), unit, note)
        for index in range(len(ours[0]))
        for key, field, unit, note in (
            ("bits_per_pixel", "bits_per_pixel", "", "whole container, mean over photographs"),
            ("psnr", "psnr_db", "dB", "of RGB, mean over photographs"),
        )
    )
    return (*against, *each)


def code_of(name: str, photographs: Photographs, picture: Picture, quality: int) -> bytes:
    """The whole container, of version 1: up to 127 no other is longer."""
    height, width = picture.shape[:2]
    payload = photographs.encode(picture, quality).payload
    return pack(Code(name, 1, bytes(4), width, height, "RGB", payload))


def curve(name: str, photographs: Photographs, picture: Picture) -> list[Rated]:
    """One picture at every quality, worst first."""
    height, width = picture.shape[:2]
    rated = []
    for quality in range(1, photographs.task.qualities + 1):
        coded = photographs.encode(picture, quality)
        whole = pack(Code(name, 1, bytes(4), width, height, "RGB", coded.payload))
        answer = photographs.picture(coded.latents, quality, height, width)
        rated.append(compared(whole, answer, picture))
    return rated


def other_curve(codec: str, picture: Picture) -> list[Rated]:
    """The same of one of Pillow's codecs."""
    rated = []
    for quality in QUALITIES[codec]:
        file = saved(codec, picture, quality)
        with Image.open(BytesIO(file)) as image:
            answer = np.asarray(image.convert("RGB"))
        rated.append(compared(file, answer, picture))
    return rated


def saved(codec: str, picture: Picture, quality: int) -> bytes:
    """A whole file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, codec, quality=quality, **OTHERS[codec])
    return file.getvalue()


def compared(file: bytes, answer: Picture, picture: Picture) -> Rated:
    """What a file weighs for each pixel, and how near its picture comes."""
    error = np.square(answer.astype(np.float64) - picture).mean()
    pixels = picture.shape[0] * picture.shape[1]
    return Rated(8 * len(file) / pixels, float(10 * np.log10(255**2 / max(error, 1e-6))))


def _points(rated: Iterable[Rated]) -> list[tuple[float, float]]:
    return [(one.bits_per_pixel, one.psnr_db) for one in rated]


def _draw(name: str, photographs: Photographs, picture: Picture, preview: Path) -> None:
    """The picture, JPEG at no fewer bytes, and ours, side by side."""
    code = code_of(name, photographs, picture, _SHOWN_QUALITY)
    height, width = picture.shape[:2]
    payload = photographs.encode(picture, _SHOWN_QUALITY).payload
    ours, _ = photographs.decode(payload, height, width)
    files = [saved("JPEG", picture, quality) for quality in range(1, 96)]
    jpeg = next((file for file in files if len(file) >= len(code)), files[-1])
    with Image.open(BytesIO(jpeg)) as image:
        theirs = np.asarray(image.convert("RGB"))
    draw_compared(
        [
            (f"as it came ({picture.size:,} bytes)", picture),
            _captioned("JPEG", jpeg, theirs, picture),
            _captioned(f"{name}, quality {_SHOWN_QUALITY}", code, ours, picture),
        ],
        preview,
    )


def _captioned(what: str, file: bytes, answer: Picture, picture: Picture) -> tuple[str, Picture]:
    rated = compared(file, answer, picture)
    return f"{what}: {len(file):,} bytes, {rated.psnr_db:.1f} dB", answer
