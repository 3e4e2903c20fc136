"""Data sets. Adding one: a module here with a config that has `load()`, and its line below."""

from typing import Annotated

from pydantic import Field

from training.datasets.base import ImageData, ImageSplit
from training.datasets.cifar10 import Cifar10
from training.datasets.corpus import Corpus
from training.datasets.digits import Digits
from training.datasets.faces import Faces
from training.datasets.folder import Folder
from training.datasets.mnist import FashionMnist, Mnist
from training.datasets.photos import Photos
from training.datasets.text import TextData
from training.datasets.unlabelled import Pictures

__all__ = ["DataConfig", "ImageData", "ImageSplit", "TextData"]

DataConfig = Annotated[
    Cifar10 | Corpus | Digits | Faces | FashionMnist | Folder | Mnist | Photos | Pictures,
    Field(discriminator="kind"),
]
