"""Pictures → codes, and codes → pictures.

Shapes: B batch, H height, W width, C channels, D latent dimensions of h × w places.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.compression.container import Code, pack
from models_store.compression.factorized import Latents, decode_latents, encode_latents
from models_store.tasks import Compression, FixedImage, Mode
from service.codecs.bitstream import damaged
from service.codecs.formats import check_size
from service.codecs.image_metrics import psnr_db
from service.codecs.images import Limits, decode_fixed, decode_free, encode_png
from service.errors import Invalid
from service.observability.timing import stage
from service.runtime.loaded_model import FixedCoding, FreeCoding, Published

__all__ = ["DEFAULT_QUALITY", "Compressed", "Restored", "check_quality", "compress", "decompress"]

Image = NDArray[np.uint8]

DEFAULT_QUALITY = 5


@dataclass(frozen=True)
class Compressed:
    """A picture as a code."""

    code: bytes
    width: int
    height: int
    psnr_db: float | None
    """Of the picture that comes back, against the one that was coded; None where they are equal."""
    quality: int | None
    """None of a model that has only one."""


@dataclass(frozen=True)
class Restored:
    """A picture out of a code."""

    png: bytes
    width: int
    height: int
    quality: int | None


def check_quality(model: Published[Compression], quality: int | None) -> None:
    """Raises Invalid: the model has no such quality to choose."""
    there = model.task.qualities
    if quality is not None and not 1 <= quality <= there:
        accepted = f"accepted is 1 to {there}" if there else "it has only one: leave quality out"
        raise Invalid(f"quality {quality} came, for {model.name} {model.version}; {accepted}")


def compress(
    model: Published[Compression],
    data: bytes,
    *,
    quality: int | None = None,
    limits: Limits,
    check: Callable[[], None],
) -> Compressed:
    """The code of a picture (an encoded file).

    A model for one size gets it brought to that by the model's rule. `check` is called before every
    run over pixels.

    Raises:
        Unsupported, Invalid, TooLarge: it is no picture, or there is no such quality.
    """
    check_quality(model, quality)
    if isinstance(model.coding, FreeCoding):
        chosen = quality or min(DEFAULT_QUALITY, model.task.qualities)
        return _compress_free(model, model.coding, data, chosen, limits, check)
    return _compress_fixed(model, _fixed(model), data, limits)


def _compress_fixed(
    model: Published[Compression], coding: FixedCoding, data: bytes, limits: Limits
) -> Compressed:
    image_HWC = decode_fixed(data, _size(model), limits)
    latents_BDhw = model.graphs["encoder"].run({"images": image_HWC[np.newaxis]})["latents"]
    latents_Dhw = latents_BDhw.astype(np.int16, copy=False)[0]
    with stage("encode"):
        payload = encode_latents(latents_Dhw.reshape(len(latents_Dhw), -1), coding.tables)
    code = _packed(model, coding.fingerprint, image_HWC, model.task.image.mode, payload)
    # What comes back is known here at the price of one more run: whoever loses something is told.
    return _compressed(code, _image(model, latents_Dhw), image_HWC, None)


def _compress_free(
    model: Published[Compression],
    coding: FreeCoding,
    data: bytes,
    quality: int,
    limits: Limits,
    check: Callable[[], None],
) -> Compressed:
    image_HWC = decode_free(data, "RGB", limits)
    height, width = image_HWC.shape[:2]
    mode: Mode = "L" if _is_grey(image_HWC) else "RGB"
    coded = coding.photographs.encode(image_HWC, quality, check)
    code = _packed(model, coding.fingerprint, image_HWC, mode, coded.payload)
    answer = coding.photographs.picture(coded.latents, quality, height, width, check)
    if mode == "L":
        image_HWC, answer = image_HWC[:, :, :1], _grey(answer)
    return _compressed(code, answer, image_HWC, quality)


def decompress(
    model: Published[Compression], code: Code, *, limits: Limits, check: Callable[[], None]
) -> Restored:
    """The picture that `code`, which names `model`, was made from, as nearly as it was kept.

    Raises:
        Invalid: another model of that name made it, or its contents make no sense.
        TooLarge: its picture has more pixels than `limits` allow.
    """
    coding = model.coding
    if coding is not None and code.fingerprint != coding.fingerprint:
        raise Invalid(
            f"the code was made by another {model.name} {model.version}: its fingerprint is "
            f"{code.fingerprint.hex()}, that of the one here {coding.fingerprint.hex()}",
            reason="another model",
        )
    if isinstance(coding, FreeCoding):
        return _restore_free(coding, code, limits, check)
    return _restore_fixed(model, _fixed(model), code)


def _restore_fixed(model: Published[Compression], coding: FixedCoding, code: Code) -> Restored:
    image = _size(model)
    if (code.width, code.height, code.mode) != (image.width, image.height, image.mode):
        raise damaged(
            f"it says {code.width} × {code.height} {code.mode}, but {model.name} makes "
            f"{image.width} × {image.height} {image.mode}"
        )
    dimensions, height, width = coding.shape_Dhw
    try:
        with stage("decode"):
            latents_DN = decode_latents(code.payload, coding.tables, height * width)
    except ValueError as error:
        raise damaged(str(error)) from error
    image_HWC = _image(model, latents_DN.reshape(dimensions, height, width))
    return Restored(encode_png(image_HWC), code.width, code.height, None)


def _restore_free(
    coding: FreeCoding, code: Code, limits: Limits, check: Callable[[], None]
) -> Restored:
    check_size("code", (code.width, code.height), limits)
    check()
    try:
        image_HWC, quality = coding.photographs.decode(code.payload, code.height, code.width, check)
    except ValueError as error:
        raise damaged(str(error)) from error
    if code.mode == "L":
        image_HWC = _grey(image_HWC)
    return Restored(encode_png(image_HWC), code.width, code.height, quality)


def _packed(
    model: Published[Compression], mark: bytes, image_HWC: Image, mode: Mode, payload: bytes
) -> bytes:
    height, width = image_HWC.shape[:2]
    return pack(Code(model.name, model.version, mark, width, height, mode, payload))


def _compressed(
    code: bytes, answer_HWC: Image, image_HWC: Image, quality: int | None
) -> Compressed:
    height, width = image_HWC.shape[:2]
    ratio = psnr_db(answer_HWC, image_HWC)
    return Compressed(code, width, height, ratio if math.isfinite(ratio) else None, quality)


def _is_grey(image_HWC: Image) -> bool:
    red = image_HWC[:, :, 0]
    return all(np.array_equal(red, image_HWC[:, :, channel]) for channel in (1, 2))


def _grey(image_HWC: Image) -> Image:
    """(H, W, 1): the mean of the colours, to the nearest level."""
    total = image_HWC[:, :, 0].astype(np.uint16)
    total += image_HWC[:, :, 1]
    total += image_HWC[:, :, 2]
    return ((total + 1) // 3).astype(np.uint8)[:, :, np.newaxis]


def _image(model: Published[Compression], latents_Dhw: Latents) -> Image:
    images_BHWC = model.graphs["decoder"].run({"latents": latents_Dhw[np.newaxis]})["images"]
    image_HWC: Image = images_BHWC.astype(np.uint8, copy=False)[0]
    return image_HWC


def _fixed(model: Published[Compression]) -> FixedCoding:
    if not isinstance(model.coding, FixedCoding):
        raise TypeError(f"{model.name} {model.version} was loaded without its tables")
    return model.coding


def _size(model: Published[Compression]) -> FixedImage:
    if not isinstance(model.task.image, FixedImage):
        raise TypeError(f"{model.name} {model.version} takes pictures of any size")
    return model.task.image
