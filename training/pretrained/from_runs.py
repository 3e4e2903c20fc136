"""Networks of runs, recipes and definitions, for saving and loading."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from training.config.recipe import Recipe
from training.config.recipe import load as load_recipe
from training.datasets.base import ImageData
from training.engine.trainer import prepare, restore
from training.errors import WeightsError
from training.networks import NetworkConfig
from training.pretrained.state import Saved, fill
from training.tasks.base import Scores, Task
from training.tasks.single_network import SingleNetwork

__all__ = ["example", "layers", "measure", "network_of", "whole"]

_NETWORK: TypeAdapter[Any] = TypeAdapter(NetworkConfig)


def network_of(recipe: Recipe, run: Path) -> tuple[Task, nn.Module]:
    """A run's task, and the network that it would publish.

    Raises:
        WeightsError: when the task trains more than one network.
    """
    task = restore(recipe, run).task
    return task, _single(task).published_network()


def example(task: Task) -> Tensor | None:
    """Two pictures as floats (2, C, H, W), where the task learns from pictures."""
    data = getattr(task, "data", None)
    if not isinstance(data, ImageData):
        return None
    return data.train.images_NCHW[:2].float() / 255


def whole(saved: Saved, file: Path) -> nn.Module:
    """The network that the file itself defines, not yet filled.

    Raises:
        WeightsError: when the file holds weights alone, or a definition that is not valid.
    """
    if saved.definition is None:
        raise WeightsError(
            f"{file} holds weights alone: name a network for them with --into RECIPE"
        )
    try:
        network: nn.Module = _NETWORK.validate_python(dict(saved.definition)).build()
    except ValidationError as error:
        raise WeightsError(f"{file} defines no network that is known here: {error}") from error
    return network


def layers(network: nn.Module) -> dict[str, str]:
    """Layers that have parameters of their own, by name, with the shapes of these."""
    found = {}
    for name, module in network.named_modules():
        shapes = [
            f"{parameter} {' × '.join(map(str, value.shape)) or 'one number'}"
            for parameter, value in module.named_parameters(recurse=False)
        ]
        if shapes:
            found[name or type(network).__name__] = f"{type(module).__name__}: {', '.join(shapes)}"
    return found


def measure(recipe: str, saved: Saved, file: Path) -> Scores:
    """Scores of the recipe's network with the saved weights, on the recipe's test set."""
    _, task = prepare(load_recipe(recipe))
    fill(_single(task).published_network(), saved.tensors, file)
    return task.evaluate("test" if task.has("test") else "validation")


def _single(task: Task) -> SingleNetwork:
    if not isinstance(task, SingleNetwork):
        raise WeightsError("this run trains more than one network, and has no one to save or load")
    return task
