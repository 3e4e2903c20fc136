"""Tasks: an objective, a step, a measure. Adding one: a module here and its line in the union."""

from typing import Annotated

from pydantic import Field

from training.tasks.adversarial import Adversarial
from training.tasks.base import Scores, Task
from training.tasks.classification import Classification
from training.tasks.compression import Compression
from training.tasks.denoising import Denoising
from training.tasks.handwriting import Handwriting
from training.tasks.imitation import Imitation
from training.tasks.language import Language
from training.tasks.photo_compression import PhotoCompression
from training.tasks.photo_denoising import PhotoDenoising
from training.tasks.strokes import StrokeClassification
from training.tasks.transfer import Transfer

__all__ = [
    "Adversarial",
    "Classification",
    "Compression",
    "Denoising",
    "Handwriting",
    "Imitation",
    "Language",
    "PhotoCompression",
    "PhotoDenoising",
    "Scores",
    "StrokeClassification",
    "Task",
    "TaskConfig",
    "Transfer",
]

TaskConfig = Annotated[
    Classification.Config
    | Denoising.Config
    | PhotoDenoising.Config
    | Transfer.Config
    | Compression.Config
    | PhotoCompression.Config
    | Language.Config
    | Handwriting.Config
    | Adversarial.Config
    | StrokeClassification.Config
    | Imitation.Config,
    Field(discriminator="kind"),
]
