"""The tasks: what a model does, and what a service must know to run it.

`signature` declares the tensors of a task's graphs. A new task needs a class in one of these
modules, its line in `Task`, and a handler in the service.
"""

from typing import Annotated

from pydantic import Field

from models_store.tasks.compression import ChannelGroup, Compression, FactorizedEntropy, Hyperprior
from models_store.tasks.images import (
    CHANNELS,
    AnySizeImage,
    Classification,
    ColorMode,
    Denoising,
    FaceGeneration,
    FixedImage,
)
from models_store.tasks.recurrent import HandwritingGeneration, RecurrentState, TextGeneration
from models_store.tasks.tensors import Tensors

__all__ = [
    "CHANNELS",
    "AnySizeImage",
    "ChannelGroup",
    "Classification",
    "ColorMode",
    "Compression",
    "Denoising",
    "FaceGeneration",
    "FactorizedEntropy",
    "FixedImage",
    "HandwritingGeneration",
    "Hyperprior",
    "RecurrentState",
    "Task",
    "Tensors",
    "TextGeneration",
]

Task = Annotated[
    Classification
    | Denoising
    | Compression
    | TextGeneration
    | HandwritingGeneration
    | FaceGeneration
    | Tensors,
    Field(discriminator="kind"),
]
