"""`export_spec`: describes a task's trained network, with a builder for each task class."""

from functools import singledispatch

from training.config.recipe import Recipe
from training.errors import ExportError
from training.publish.spec import ExportSpec
from training.tasks.base import Task


@singledispatch
def export_spec(task: Task, recipe: Recipe) -> ExportSpec:
    """Describe the graphs, the served task and the metrics of a trained network.

    Raises:
        ExportError: when the service has no task that such a network could serve, or its graphs
            would not compute what the network does.
    """
    raise ExportError(
        f"a network of the task {recipe.task.kind} cannot be published: no task of the service "
        f"runs it. `evaluate` measures it and `plot` draws what it does (got {type(task).__name__})"
    )
