"""Noisy pictures → clean ones of the same size; against a clean reference, how clean."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.compression.grayscale import is_grey, mean_channel
from models_store.tasks import Denoising
from service.codecs.image_metrics import psnr_db, ssim
from service.codecs.images import Limits, decode_free, encode_png
from service.codecs.tiles import tiled
from service.errors import Invalid
from service.handlers.image_errors import of_picture
from service.runtime.loaded_model import Published

__all__ = ["Cleaned", "denoise"]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Cleaned:
    """One picture without its noise."""

    png: bytes
    width: int
    height: int
    psnr_db: float | None = None
    """None where the reference equals the answer: infinite."""
    ssim: float | None = None
    """None where a side is too short for it."""


def denoise(
    model: Published[Denoising],
    pictures: Sequence[bytes],
    references: Sequence[bytes],
    *,
    limits: Limits,
    check: Callable[[], None],
) -> list[Cleaned]:
    """Clean each of `pictures` (encoded files), in order.

    A grey picture comes back grey from a model of colour too: as the mean of its answer's channels.
    `references` is empty, or has one clean picture of equal size for each; `check` is called
    before every run of the graph.

    Raises:
        Unsupported, Invalid, TooLarge: a picture is not one, or does not fit its reference.
    """
    if references and len(references) != len(pictures):
        raise Invalid(
            f"{len(references)} reference came for {len(pictures)} image; "
            "accepted is none, or one for each in the same order"
        )
    cleaned = []
    for index, data in enumerate(pictures):
        check()
        with of_picture(index, len(pictures)):
            noisy_HWC = decode_free(data, model.task.image.mode, limits)
        reference_HWC: Image | None = None
        if references:
            with of_picture(index, len(pictures), "reference"):
                reference_HWC = _reference(references[index], model, noisy_HWC, limits)
        clean_HWC = tiled(noisy_HWC, model.task.image, _runner(model, check))
        if model.task.image.mode == "RGB" and is_grey(noisy_HWC):
            clean_HWC = mean_channel(clean_HWC)
        cleaned.append(_cleaned(clean_HWC, reference_HWC))
    return cleaned


def _runner(model: Published[Denoising], check: Callable[[], None]) -> Callable[[Image], Image]:
    graph = model.graphs["model"]

    def run(tile_HWC: Image) -> Image:
        check()
        denoised_BHWC = graph.run({"images": tile_HWC[np.newaxis]})["denoised"]
        clean_HWC: Image = denoised_BHWC.astype(np.uint8, copy=False)[0]
        return clean_HWC

    return run


def _reference(data: bytes, model: Published[Denoising], noisy_HWC: Image, limits: Limits) -> Image:
    reference_HWC = decode_free(data, model.task.image.mode, limits)
    if reference_HWC.shape != noisy_HWC.shape:
        came, needed = (f"{a.shape[1]} × {a.shape[0]}" for a in (reference_HWC, noisy_HWC))
        raise Invalid(f"the reference is {came} pixels, its image {needed}; they must be equal")
    return reference_HWC


def _cleaned(clean_HWC: Image, reference_HWC: Image | None) -> Cleaned:
    height, width = clean_HWC.shape[:2]
    png = encode_png(clean_HWC)
    if reference_HWC is None:
        return Cleaned(png, width, height)
    if clean_HWC.shape != reference_HWC.shape:  # grey against three channels
        clean_HWC = clean_HWC.repeat(3, axis=2)
    ratio = psnr_db(clean_HWC, reference_HWC)
    return Cleaned(
        png,
        width,
        height,
        psnr_db=ratio if math.isfinite(ratio) else None,
        ssim=ssim(clean_HWC, reference_HWC),
    )
