"""The runs on disk, as the tasks that they are of."""

from pathlib import Path

from training.config.recipe import load_recipe
from training.engine.trainer import restore
from training.errors import RecipeError
from training.tasks.adversarial import Adversarial

__all__ = ["load_adversarial_task"]


def load_adversarial_task(run: Path) -> Adversarial:
    """The networks of a run, as its last checkpoint holds them.

    Raises:
        RecipeError: when the run is of another task.
    """
    recipe = load_recipe(str(run / "recipe.yaml"))
    if recipe.task.kind != "adversarial":
        raise RecipeError(f"{run} is a run of the task {recipe.task.kind}, which draws no pictures")
    task = restore(recipe, run).task
    if not isinstance(task, Adversarial):
        raise TypeError(type(task))
    return task
