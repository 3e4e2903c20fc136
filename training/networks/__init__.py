"""Network families. Adding one: a module here and its line in `NetworkConfig`."""

from typing import Annotated

from pydantic import Field

from training.networks.denoiser import Denoiser
from training.networks.resnet import ResNet

__all__ = ["Denoiser", "NetworkConfig", "ResNet"]

NetworkConfig = Annotated[ResNet.Config | Denoiser.Config, Field(discriminator="kind")]
