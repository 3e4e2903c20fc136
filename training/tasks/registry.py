"""`build_task`: builds the task that a recipe's `task:` selects, by the class of its options."""

from functools import singledispatch

from lightning_fabric import Fabric

from training.config.tasks import TaskConfig
from training.config.train import TrainConfig
from training.tasks.base import Task


@singledispatch
def build_task(
    config: TaskConfig,
    train_config: TrainConfig,  # noqa: ARG001  # the arguments of every registered class
    data: object,  # noqa: ARG001
    fabric: Fabric,  # noqa: ARG001
) -> Task:
    """Build the task, with its networks initialised and set up by `fabric`.

    Raises:
        RecipeError: when the network or the data do not fit the task.
    """
    raise TypeError(f"no task is registered for {type(config).__name__}")
