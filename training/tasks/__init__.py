"""Tasks: an objective with its optimization step and its scores.

Adding one: its options in `training.config.tasks`, a module here, and its line in `_TASKS`.
"""

from collections.abc import Callable

from lightning_fabric import Fabric

from training.config.tasks import TaskConfig
from training.config.train import TrainConfig
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
    "Transfer",
    "build_task",
]

_TASKS: dict[str, Callable[..., Task]] = {
    "adversarial": Adversarial,
    "classification": Classification,
    "compression": Compression,
    "denoising": Denoising,
    "handwriting": Handwriting,
    "imitation": Imitation,
    "language": Language,
    "photo-compression": PhotoCompression,
    "photo-denoising": PhotoDenoising,
    "strokes": StrokeClassification,
    "transfer": Transfer,
}


def build_task(config: TaskConfig, train_config: TrainConfig, data: object, fabric: Fabric) -> Task:
    """Build the task that `config` selects, with its networks initialised and set up by `fabric`.

    Raises:
        RecipeError: when the network or the data do not fit the task.
    """
    return _TASKS[config.kind](config, train_config, data, fabric)
