"""Load runs as tasks."""

from pathlib import Path

from training.config.recipe import load_run_recipe
from training.engine.trainer import restore
from training.errors import RecipeError
from training.tasks.adversarial import Adversarial


def load_adversarial_task(run: Path) -> Adversarial:
    """Load the task of a generator's run, with the networks of its last checkpoint.

    Raises:
        RecipeError: when the run is of another task.
    """
    recipe = load_run_recipe(run)
    if recipe.task.kind != "adversarial":
        raise RecipeError(
            f"{run} is a run of the task {recipe.task.kind}, which generates no images"
        )
    task = restore(recipe, run).task
    if not isinstance(task, Adversarial):
        raise TypeError(type(task))
    return task
