"""`POST /v1/compress` and `POST /v1/decompress`."""

from typing import Annotated

from pydantic import ConfigDict, Field

from service.schemas.base import ModelSelector, RequestParams, ResponseModel

__all__ = ["CompressParams", "CompressResponse", "DecompressParams", "DecompressResponse"]


class CompressParams(ModelSelector):
    """Which model to ask, and how near the picture is to come."""

    quality: Annotated[int, Field(ge=1, le=255, examples=[5])] | None = None
    """From 1, the fewest bytes, to the model's best: its card says how many there are, under
    `task.entropy.qualities`. Left out: 5. An error for a model that has only one."""


class DecompressParams(RequestParams):
    """None: a code names the model and the version that made it."""


class CompressResponse(ResponseModel):
    """A picture as a code, and what that cost."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
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
            ]
        }
    )

    model: str
    version: int
    code: Annotated[
        str,
        Field(
            json_schema_extra={
                "contentEncoding": "base64",
                "contentMediaType": "application/vnd.deepshelf.code",
            }
        ),
    ]
    """The code, in base64. `/v1/decompress` takes its bytes."""
    code_bytes: int
    """Length of the code, everything in it counted, before base64."""
    bits_per_pixel: float
    """Of the picture that comes back, everything in the code counted."""
    width: int
    """Of the picture that comes back: the picture's own, or that of a model for one size."""
    height: int
    quality: int | None = None
    """That it was coded with; absent where the model has only one."""
    psnr_db: float | None
    """Peak signal-to-noise ratio of the picture that comes back, against the one that was coded:
    of a model for one size, after the picture was fitted into that. Null when they are equal."""


class DecompressResponse(ResponseModel):
    """A picture out of a code."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "autoencoder-mnist-conv",
                    "version": 1,
                    "image": "iVBORw0KGgo=",
                    "width": 28,
                    "height": 28,
                }
            ]
        }
    )

    model: str
    """As the code says."""
    version: int
    image: Annotated[
        str, Field(json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"})
    ]
    """A PNG, in base64."""
    width: int
    height: int
    quality: int | None = None
    """That it was coded with; absent where the model has only one."""
