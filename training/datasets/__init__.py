"""Data sets. A new one needs a module here, with a config that has `load()`, and a line below."""

from typing import Annotated

from pydantic import Field

from training.datasets.cifar10 import Cifar10
from training.datasets.demonstrations import Demonstrations
from training.datasets.digits import Digits
from training.datasets.faces import Faces
from training.datasets.image_folder import ImageFolder, ImageFolderCV, UnlabelledImageFolder
from training.datasets.mnist import FashionMnist, Mnist
from training.datasets.pendigits import PenDigits
from training.datasets.photo_folders import ImagePatches, Scenes
from training.datasets.python_data import PythonData
from training.datasets.stroke_digits import StrokeDigits
from training.datasets.text_corpus import TextCorpus

DataConfig = Annotated[
    ImagePatches
    | Cifar10
    | TextCorpus
    | Digits
    | Faces
    | Demonstrations
    | FashionMnist
    | ImageFolder
    | Mnist
    | PenDigits
    | ImageFolderCV
    | UnlabelledImageFolder
    | PythonData
    | Scenes
    | StrokeDigits,
    Field(discriminator="kind"),
]
