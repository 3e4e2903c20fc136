"""Images → codes, and codes → images.

Shapes: B batch, H height, W width, C channels, D latent dimensions of h × w positions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.compression.container import CompressedImage, pack
from models_store.compression.factorized import Latents, decode_latents, encode_latents
from models_store.compression.grayscale import is_grayscale, mean_channel
from models_store.tasks import ColorMode, Compression, FixedImage
from service.codecs.bitstream import corrupted_code_error
from service.codecs.formats import ImageLimits, check_pixel_limits
from service.codecs.image_metrics import psnr_db
from service.codecs.images import decode_native, decode_resized, encode_png
from service.errors import InvalidValue
from service.observability.timing import stage
from service.runtime.loaded_model import FactorizedCodec, HyperpriorCodec, LoadedModel

ImageArray = NDArray[np.uint8]

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
    limits: ImageLimits,
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
    if isinstance(model.codec, HyperpriorCodec):
        effective_quality = quality or min(DEFAULT_QUALITY, model.task.qualities)
        return _compress_hyperprior(model.codec, data, effective_quality, limits, check)
    return _compress_factorized(model, _require_factorized_codec(model), data, limits)


def _compress_factorized(
    model: LoadedModel[Compression], codec: FactorizedCodec, data: bytes, limits: ImageLimits
) -> CompressionResult:
    image_HWC = decode_resized(data, _require_fixed_size(model), limits)
    latents_BDhw = model.graphs["encoder"].run({"images": image_HWC[np.newaxis]})["latents"]
    latents_Dhw = latents_BDhw.astype(np.int16, copy=False)[0]
    with stage("encode"):
        payload = encode_latents(latents_Dhw.reshape(len(latents_Dhw), -1), codec.tables)
    container = _pack_container(codec.fingerprint, image_HWC, model.task.image.mode, payload)
    # One more run decodes the image again, so that the response can say how much is lost.
    return _build_result(container, _run_decoder(model, latents_Dhw), image_HWC, None)


def _compress_hyperprior(
    codec: HyperpriorCodec,
    data: bytes,
    quality: int,
    limits: ImageLimits,
    check: Callable[[], None],
) -> CompressionResult:
    image_HWC = decode_native(data, "RGB", limits)
    height, width = image_HWC.shape[:2]
    mode: ColorMode = "L" if is_grayscale(image_HWC) else "RGB"
    encoded = codec.image_codec.encode(image_HWC, quality, check)
    container = _pack_container(codec.fingerprint, image_HWC, mode, encoded.payload)
    reconstruction_HWC = codec.image_codec.reconstruct(
        encoded.latents, quality, height, width, check
    )
    if mode == "L":
        image_HWC, reconstruction_HWC = image_HWC[:, :, :1], mean_channel(reconstruction_HWC)
    return _build_result(container, reconstruction_HWC, image_HWC, quality)


def decompress(
    model: LoadedModel[Compression],
    compressed: CompressedImage,
    *,
    limits: ImageLimits,
    check: Callable[[], None],
) -> DecompressedImage:
    """Return the decoded image of `compressed`, which `model` wrote.

    Raises:
        InvalidValue: the contents of the code are not consistent.
        ContentTooLarge: its image has more pixels than `limits` allow.
    """
    codec = model.codec
    if isinstance(codec, HyperpriorCodec):
        return _decompress_hyperprior(codec, compressed, limits, check)
    return _decompress_factorized(model, _require_factorized_codec(model), compressed)


def _decompress_factorized(
    model: LoadedModel[Compression], codec: FactorizedCodec, compressed: CompressedImage
) -> DecompressedImage:
    image = _require_fixed_size(model)
    if (compressed.width, compressed.height, compressed.mode) != (
        image.width,
        image.height,
        image.mode,
    ):
        raise corrupted_code_error(
            f"it says {compressed.width} × {compressed.height} {compressed.mode}, but "
            f"{model.name} makes "
            f"{image.width} × {image.height} {image.mode}"
        )
    dimensions, height, width = codec.shape_Dhw
    try:
        with stage("decode"):
            latents_DN = decode_latents(compressed.payload, codec.tables, height * width)
    except ValueError as error:
        raise corrupted_code_error(str(error)) from error
    image_HWC = _run_decoder(model, latents_DN.reshape(dimensions, height, width))
    return DecompressedImage(encode_png(image_HWC), compressed.width, compressed.height, None)


def _decompress_hyperprior(
    codec: HyperpriorCodec,
    compressed: CompressedImage,
    limits: ImageLimits,
    check: Callable[[], None],
) -> DecompressedImage:
    check_pixel_limits("code", (compressed.width, compressed.height), limits)
    check()
    try:
        image_HWC, quality = codec.image_codec.decode(
            compressed.payload, compressed.height, compressed.width, check
        )
    except ValueError as error:
        raise corrupted_code_error(str(error)) from error
    if compressed.mode == "L":
        image_HWC = mean_channel(image_HWC)
    return DecompressedImage(encode_png(image_HWC), compressed.width, compressed.height, quality)


def _pack_container(
    fingerprint: bytes, image_HWC: ImageArray, mode: ColorMode, payload: bytes
) -> bytes:
    height, width = image_HWC.shape[:2]
    return pack(CompressedImage(fingerprint, width, height, mode, payload))


def _build_result(
    data: bytes, reconstruction_HWC: ImageArray, image_HWC: ImageArray, quality: int | None
) -> CompressionResult:
    height, width = image_HWC.shape[:2]
    psnr = psnr_db(reconstruction_HWC, image_HWC)
    return CompressionResult(data, width, height, psnr if math.isfinite(psnr) else None, quality)


def _run_decoder(model: LoadedModel[Compression], latents_Dhw: Latents) -> ImageArray:
    images_BHWC = model.graphs["decoder"].run({"latents": latents_Dhw[np.newaxis]})["images"]
    image_HWC: ImageArray = images_BHWC.astype(np.uint8, copy=False)[0]
    return image_HWC


def _require_factorized_codec(model: LoadedModel[Compression]) -> FactorizedCodec:
    if not isinstance(model.codec, FactorizedCodec):
        raise TypeError(f"{model.name} {model.version} was loaded without its tables")
    return model.codec


def _require_fixed_size(model: LoadedModel[Compression]) -> FixedImage:
    if not isinstance(model.task.image, FixedImage):
        raise TypeError(f"{model.name} {model.version} takes images of any size")
    return model.task.image
