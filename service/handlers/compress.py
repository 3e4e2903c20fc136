"""Pictures → codes, and codes → pictures.

Shapes: B batch, H height, W width, C channels, D latent dimensions of h × w places.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.code import Code, pack
from models_store.entropy import Latents, decode_latents, encode_latents
from models_store.tasks import Compression
from service.codecs.code import damaged
from service.codecs.images import Limits, decode_fixed, encode_png
from service.codecs.quality import psnr_db
from service.errors import Invalid
from service.runtime.published import Coding, Published
from service.stages import stage

__all__ = ["Compressed", "Restored", "compress", "decompress"]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Compressed:
    """A picture as a code."""

    code: bytes
    width: int
    height: int
    psnr_db: float | None
    """Of the picture that comes back, against the one that was coded; None where they are equal."""


@dataclass(frozen=True)
class Restored:
    """A picture out of a code."""

    png: bytes
    width: int
    height: int


def compress(model: Published[Compression], data: bytes, *, limits: Limits) -> Compressed:
    """The code of a picture (an encoded file), brought to the model's size by the model's rule.

    Raises:
        Unsupported, Invalid, TooLarge: it is no picture.
    """
    coding = _coding(model)
    image_HWC = decode_fixed(data, model.task.image, limits)
    latents_BDhw = model.graphs["encoder"].run({"images": image_HWC[np.newaxis]})["latents"]
    latents_Dhw = latents_BDhw.astype(np.int16, copy=False)[0]
    height, width = image_HWC.shape[:2]
    with stage("encode"):
        payload = encode_latents(latents_Dhw.reshape(len(latents_Dhw), -1), coding.tables)
    code = Code(
        model=model.name,
        version=model.version,
        fingerprint=coding.fingerprint,
        width=width,
        height=height,
        mode=model.task.image.mode,
        payload=payload,
    )
    # What comes back is known here at the price of one more run: whoever loses something is told.
    ratio = psnr_db(_image(model, latents_Dhw), image_HWC)
    return Compressed(pack(code), width, height, ratio if math.isfinite(ratio) else None)


def decompress(model: Published[Compression], code: Code) -> Restored:
    """The picture that `code`, which names `model`, was made from, as nearly as it was kept.

    Raises:
        Invalid: another model of that name made it, or its contents make no sense.
    """
    coding, image = _coding(model), model.task.image
    if code.fingerprint != coding.fingerprint:
        raise Invalid(
            f"the code was made by another {model.name} {model.version}: its fingerprint is "
            f"{code.fingerprint.hex()}, that of the one here {coding.fingerprint.hex()}",
            reason="another model",
        )
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
    return Restored(encode_png(image_HWC), code.width, code.height)


def _image(model: Published[Compression], latents_Dhw: Latents) -> Image:
    images_BHWC = model.graphs["decoder"].run({"latents": latents_Dhw[np.newaxis]})["images"]
    image_HWC: Image = images_BHWC.astype(np.uint8, copy=False)[0]
    return image_HWC


def _coding(model: Published[Compression]) -> Coding:
    if model.coding is None:
        raise RuntimeError(f"{model.name} {model.version} was loaded without its tables")
    return model.coding
