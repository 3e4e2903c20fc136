"""Network families. Adding one: a module here and its line in `NetworkConfig`."""

from typing import Annotated

from pydantic import Field

from training.networks.autoencoder import ConvAutoencoder, DenseAutoencoder
from training.networks.char_rnn import CharRNN
from training.networks.denoiser import Denoiser
from training.networks.gan import GAN
from training.networks.mobilenet import MobileNet
from training.networks.resnet import ResNet

__all__ = [
    "GAN",
    "CharRNN",
    "ConvAutoencoder",
    "Denoiser",
    "DenseAutoencoder",
    "MobileNet",
    "NetworkConfig",
    "ResNet",
]

NetworkConfig = Annotated[
    ResNet.Config
    | Denoiser.Config
    | MobileNet.Config
    | DenseAutoencoder.Config
    | ConvAutoencoder.Config
    | CharRNN.Config
    | GAN.Config,
    Field(discriminator="kind"),
]
