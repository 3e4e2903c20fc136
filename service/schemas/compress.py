"""`POST /v1/compress` and `POST /v1/decompress`."""

from typing import Annotated

from pydantic import Field

from service.schemas.base import (
    Base64Code,
    Base64Png,
    ModelResponse,
    ModelSelector,
    RequestParams,
    example,
)


class CompressParams(ModelSelector):
    """Parameters of compression."""

    quality: Annotated[int, Field(ge=1, le=255, examples=[5])] | None = None
    """From 1 (fewest bytes) to the model's best; `task.entropy.qualities` of its card has their
    number. Default: 5. An error for a model that has only one."""


class DecompressParams(RequestParams):
    """No parameters: a code names the model and the version that made it."""


class CompressResponse(ModelResponse):
    """An image as a code, with its size and quality."""

    model_config = example(
        {
            "model": "autoencoder-mnist-conv",
            "version": 1,
            "code": "1VMBPw==",
            "code_bytes": 67,
            "bits_per_pixel": 0.684,
            "width": 28,
            "height": 28,
            "psnr_db": 26.1,
        }
    )

    code: Base64Code
    """The code, in base64. `/v1/decompress` takes its bytes."""
    code_bytes: int
    """Length of the whole code in bytes, before base64."""
    bits_per_pixel: float
    """Bits of the whole code per pixel of the restored image."""
    width: int
    """Width of the restored image: the image's own, or that of a fixed-size model."""
    height: int
    quality: int | None = None
    """Quality of the code; absent if the model has only one."""
    psnr_db: float | None
    """Peak signal-to-noise ratio of the decompressed image against the compressed one; for a model
    of one size, against the resized image. Null if they are equal."""


class DecompressResponse(ModelResponse):
    """An image decoded from a code, and the model that the code names."""

    model_config = example(
        {
            "model": "autoencoder-mnist-conv",
            "version": 1,
            "image": "iVBORw0KGgo=",
            "width": 28,
            "height": 28,
        }
    )

    image: Base64Png
    """A PNG, in base64."""
    width: int
    height: int
    quality: int | None = None
    """Quality of the code; absent if the model has only one."""
