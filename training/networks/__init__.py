"""Network families. A new family needs a module here and a line in `NetworkConfig`."""

from typing import Annotated

from pydantic import Field

from training.networks.airbench import Airbench
from training.networks.autoencoder import ConvAutoencoder, DenseAutoencoder
from training.networks.char_rnn import CharRNN
from training.networks.controller import Controller
from training.networks.denoiser import Denoiser
from training.networks.gan import GAN
from training.networks.handwriting import Handwriting
from training.networks.mobilenet import MobileNet
from training.networks.photo_codec import PhotoCodec
from training.networks.photo_denoiser import PhotoDenoiser
from training.networks.python_network import PythonNetwork
from training.networks.resnet import ResNet
from training.networks.stroke_reader import StrokeReader

NetworkConfig = Annotated[
    ResNet.Config
    | Airbench.Config
    | Denoiser.Config
    | PhotoDenoiser.Config
    | MobileNet.Config
    | DenseAutoencoder.Config
    | ConvAutoencoder.Config
    | CharRNN.Config
    | Handwriting.Config
    | GAN.Config
    | PhotoCodec.Config
    | StrokeReader.Config
    | Controller.Config
    | PythonNetwork,
    Field(discriminator="kind"),
]
