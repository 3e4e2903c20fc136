"""Remove noise from images, and measure the result against a clean reference."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.compression.grayscale import is_grayscale, mean_channel
from models_store.tasks import Denoising
from service.codecs.image_metrics import psnr_db, ssim
from service.codecs.images import decode_native, encode_png, read_size
from service.codecs.tiles import count_tile_pixels, run_tiled
from service.errors import InvalidValue
from service.handlers.image_errors import annotate_image_index
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.scheduling.progress import Progress

ImageArray = NDArray[np.uint8]


@dataclass(frozen=True)
class DenoisedImage:
    """One denoised image."""

    png: bytes
    width: int
    height: int
    psnr_db: float | None = None
    """Against the reference; None without one, or if they are equal and PSNR is infinite."""
    ssim: float | None = None
    """Against the reference; None without one, or if a side is too short for SSIM's window."""


def denoise(
    model: LoadedModel[Denoising],
    images: Sequence[bytes],
    references: Sequence[bytes],
    *,
    strength: float = 1.0,
    max_pixels: int,
    ticket: Ticket,
) -> list[DenoisedImage]:
    """Denoise each of `images` (encoded files), in order.

    A colour model returns grey for a grey image: the mean of its output's channels. `strength` in
    0–1 blends the output with the image; 1 is the output alone. `references` is empty, or has one
    clean image of equal size for each; `ticket` is checked before every run of the graph.

    Raises:
        UnsupportedMediaType, InvalidValue, ContentTooLarge: a file is not an image that can be
            decoded, or the image does not fit its reference.
        ContentTooLarge, DeadlineExceeded: the images would take too long, see `Progress`.
    """
    if references and len(references) != len(images):
        raise InvalidValue(
            f"{len(references)} references for {len(images)} images; send no reference, or one per "
            "image in the same order"
        )
    progress = _plan_progress(model, images, max_pixels, ticket)
    results = []
    for index, data in enumerate(images):
        ticket.check()
        with annotate_image_index(index, len(images)):
            noisy_HWC = decode_native(data, model.task.image.mode, max_pixels)
        reference_HWC: ImageArray | None = None
        if references:
            with annotate_image_index(index, len(images), "reference"):
                reference_HWC = _decode_reference(references[index], model, noisy_HWC, max_pixels)
        runner = _create_tile_runner(model, strength, ticket, progress)
        clean_HWC = run_tiled(noisy_HWC, model.task.image, runner, model.task.edge_margin)
        if model.task.image.mode == "RGB" and is_grayscale(noisy_HWC):
            clean_HWC = mean_channel(clean_HWC)
        results.append(_build_result(clean_HWC, reference_HWC))
    return results


def _plan_progress(
    model: LoadedModel[Denoising], images: Sequence[bytes], max_pixels: int, ticket: Ticket
) -> Progress:
    sizes = []
    for index, data in enumerate(images):
        with annotate_image_index(index, len(images)):
            sizes.append(read_size(data, max_pixels))
    spec, margin = model.task.image, model.task.edge_margin
    return Progress(
        ticket,
        total=sum(count_tile_pixels(size, spec, margin) for size in sizes),
        pixels=sum(width * height for width, height in sizes),
    )


def _create_tile_runner(
    model: LoadedModel[Denoising], strength: float, ticket: Ticket, progress: Progress
) -> Callable[[ImageArray], ImageArray]:
    graph = model.graphs["model"]

    def run(tile_HWC: ImageArray) -> ImageArray:
        ticket.check()
        if strength == 0:
            return tile_HWC
        height, width = tile_HWC.shape[:2]
        with progress.step(height * width):
            denoised_BHWC = graph.run({"images": tile_HWC[np.newaxis]})["denoised"]
        clean_HWC: ImageArray = denoised_BHWC.astype(np.uint8, copy=False)[0]
        return clean_HWC if strength == 1 else _blend(tile_HWC, clean_HWC, strength)

    return run


def _blend(noisy_HWC: ImageArray, clean_HWC: ImageArray, strength: float) -> ImageArray:
    """Interpolate between two images: `strength` 0 gives the first, 1 the second."""
    noisy = noisy_HWC.astype(np.float32)
    blended = noisy + np.float32(strength) * (clean_HWC - noisy)
    return np.rint(blended).astype(np.uint8)


def _decode_reference(
    data: bytes, model: LoadedModel[Denoising], noisy_HWC: ImageArray, max_pixels: int
) -> ImageArray:
    reference_HWC = decode_native(data, model.task.image.mode, max_pixels)
    if reference_HWC.shape != noisy_HWC.shape:
        received, expected = (f"{a.shape[1]} × {a.shape[0]}" for a in (reference_HWC, noisy_HWC))
        raise InvalidValue(
            f"the reference is {received} pixels, its image {expected}; they must be equal"
        )
    return reference_HWC


def _build_result(clean_HWC: ImageArray, reference_HWC: ImageArray | None) -> DenoisedImage:
    height, width = clean_HWC.shape[:2]
    png = encode_png(clean_HWC)
    if reference_HWC is None:
        return DenoisedImage(png, width, height)
    if clean_HWC.shape != reference_HWC.shape:  # grey against three channels
        clean_HWC = clean_HWC.repeat(3, axis=2)
    psnr = psnr_db(clean_HWC, reference_HWC)
    return DenoisedImage(
        png,
        width,
        height,
        psnr_db=psnr if math.isfinite(psnr) else None,
        ssim=ssim(clean_HWC, reference_HWC),
    )
