"""Images → codes, and codes → images. Shapes: H height, W width, C channels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from models_store.compression.container import CompressedImage, fingerprint, pack
from models_store.compression.grayscale import is_grayscale, mean_channel
from models_store.tasks import Compression, FixedImage
from service.codecs.bitstream import corrupted_code_error
from service.codecs.formats import check_pixel_limits
from service.codecs.image_metrics import psnr_db
from service.codecs.images import decode_native, decode_resized, encode_png
from service.errors import InvalidValue
from service.runtime.loaded_model import LoadedModel

DEFAULT_QUALITY = 5


@dataclass(frozen=True)
class CompressionResult:
    """An image as a code."""

    data: bytes
    width: int
    height: int
    psnr_db: float | None
    """PSNR of the restored image against the original; None if they are equal."""
    quality: int | None
    """None if the model has only one."""


@dataclass(frozen=True)
class DecompressedImage:
    """An image decoded from a code."""

    png: bytes
    width: int
    height: int
    quality: int | None


def check_quality(model: LoadedModel[Compression], quality: int | None) -> None:
    """Raise InvalidValue if the model has no such quality."""
    quality_count = model.task.qualities
    if quality is not None and not 1 <= quality <= quality_count:
        name = f"{model.name} {model.version}"
        accepted = (
            f"it must be 1 to {quality_count} for {name}"
            if quality_count
            else f"leave it out, because {name} has only one"
        )
        raise InvalidValue(f"quality is {quality}; {accepted}")


def compress(
    model: LoadedModel[Compression],
    data: bytes,
    *,
    quality: int | None = None,
    max_pixels: int,
    check: Callable[[], None],
) -> CompressionResult:
    """Return the code of an image (an encoded file).

    For a model of one size, the image is resized by the model's rule. `check` is called before
    every run over pixels.

    Raises:
        UnsupportedMediaType, InvalidValue, ContentTooLarge: it is not an acceptable image, or there
            is no such quality.
    """
    check_quality(model, quality)
    spec, codec = model.task.image, model.require_codec()
    if isinstance(spec, FixedImage):
        image_HWC, mode = decode_resized(data, spec, max_pixels), spec.mode
    else:
        image_HWC = decode_native(data, spec.mode, max_pixels)
        mode = "L" if is_grayscale(image_HWC) else "RGB"
    height, width = image_HWC.shape[:2]
    effective_quality = quality or min(DEFAULT_QUALITY, model.task.qualities)
    encoded = codec.encode(image_HWC, effective_quality, check)
    container = CompressedImage(fingerprint(model.manifest), width, height, mode, encoded.payload)
    # The image is decoded again, so that the response can say how much is lost.
    restored_HWC = codec.reconstruct(encoded.latents, effective_quality, height, width, check)
    if mode != spec.mode:
        image_HWC, restored_HWC = image_HWC[:, :, :1], mean_channel(restored_HWC)
    psnr = psnr_db(restored_HWC, image_HWC)
    finite_psnr = psnr if math.isfinite(psnr) else None
    return CompressionResult(pack(container), width, height, finite_psnr, effective_quality or None)


def decompress(
    model: LoadedModel[Compression],
    compressed: CompressedImage,
    *,
    max_pixels: int,
    check: Callable[[], None],
) -> DecompressedImage:
    """Return the decoded image of `compressed`, which `model` wrote.

    Raises:
        InvalidValue: the contents of the code are not consistent.
        ContentTooLarge: its image has more pixels than `max_pixels`.
    """
    spec, height, width = model.task.image, compressed.height, compressed.width
    if isinstance(spec, FixedImage):
        _check_fixed_size(model.name, spec, compressed)
    else:
        check_pixel_limits("code", (width, height), max_pixels)
    check()
    try:
        image_HWC, quality = model.require_codec().decode(compressed.payload, height, width, check)
    except ValueError as error:
        raise corrupted_code_error(str(error)) from error
    if compressed.mode != spec.mode:
        image_HWC = mean_channel(image_HWC)
    return DecompressedImage(encode_png(image_HWC), width, height, quality or None)


def _check_fixed_size(name: str, spec: FixedImage, compressed: CompressedImage) -> None:
    sizes = (f"{image.width} × {image.height} {image.mode}" for image in (compressed, spec))
    declared, expected = sizes
    if declared != expected:
        raise corrupted_code_error(f"it says {declared}, but {name} makes {expected}")
