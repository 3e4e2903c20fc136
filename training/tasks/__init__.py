"""Tasks: an objective, a step, a measure. Adding one: a module here and its line in the union."""

from typing import Annotated

from pydantic import Field

from training.tasks.base import Scores, Task
from training.tasks.classification import Classification
from training.tasks.denoising import Denoising

__all__ = ["Classification", "Denoising", "Scores", "Task", "TaskConfig"]

TaskConfig = Annotated[Classification.Config | Denoising.Config, Field(discriminator="kind")]
