"""`POST /v1/denoise`."""

from typing import Annotated

from pydantic import Field

from service.schemas.base import Base64Png, ModelResponse, ModelSelector, ResponseModel, example


class DenoiseParams(ModelSelector):
    """Parameters of denoising."""

    strength: Annotated[float, Field(ge=0, le=1, examples=[0.7])] = 1.0
    """Strength of the denoising: `image + strength · (denoised − image)`, rounded. 1 returns the
    denoised image, 0 the image as it is."""


class DenoiseResult(ResponseModel):
    """One image without its noise."""

    image: Base64Png
    """A PNG, in base64."""
    width: int
    height: int
    psnr_db: float | None = None
    """Peak signal-to-noise ratio against the clean reference, if one was sent. Null if the two are
    equal, because it is then infinite."""
    ssim: float | None = None
    """Structural similarity to the clean reference (Wang et al. 2004), if one was sent; 1 if they
    are equal. Null if a side is under 11 pixels, where it is not defined."""


class DenoiseResponse(ModelResponse):
    """The images in the order in which they were sent."""

    model_config = example(
        {
            "model": "denoiser-photo",
            "version": 1,
            "results": [
                {
                    "image": "iVBORw0KGgo=",
                    "width": 481,
                    "height": 321,
                    "psnr_db": 29.8,
                    "ssim": 0.85,
                }
            ],
        }
    )

    results: list[DenoiseResult]
