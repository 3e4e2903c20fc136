"""Save and load the networks of runs, recipes and definitions."""

import shlex
import time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from models_store.layout import file_sha256
from models_store.manifest import Provenance
from training.config.recipe import Recipe, load_recipe
from training.datasets.base import ImageData
from training.engine.environment import Environment
from training.engine.trainer import prepare, restore
from training.errors import WeightsError
from training.networks import NetworkConfig
from training.pretrained.files import load_weights_file
from training.pretrained.state import WeightsFile, load_into
from training.publish.provenance import public_recipe
from training.publish.publisher import publish_model
from training.publish.tasks import export_spec
from training.tasks.base import Scores, Task, held_out_split
from training.tasks.single_network import SingleNetwork

_NETWORK_ADAPTER: TypeAdapter[Any] = TypeAdapter(NetworkConfig)


def network_from_run(recipe: Recipe, run: Path) -> tuple[Task, nn.Module]:
    """Load a run's task and the network that it would publish.

    Raises:
        WeightsError: when the task trains more than one network.
    """
    task = restore(recipe, run).task
    return task, _require_single_network(task).network_to_publish()


def example_input(task: Task) -> Tensor | None:
    """Return two images as floats (2, C, H, W); None for tasks on other data."""
    data = getattr(task, "data", None)
    if not isinstance(data, ImageData):
        return None
    return data.train.images_NCHW[:2].float() / 255


def build_from_definition(weights_file: WeightsFile, file: Path) -> nn.Module:
    """Build the network that the file defines, without its weights.

    Raises:
        WeightsError: when the file holds weights alone, or a definition that is not valid.
    """
    if weights_file.definition is None:
        raise WeightsError(f"{file} holds only weights: name their network with --into RECIPE")
    try:
        network: nn.Module = _NETWORK_ADAPTER.validate_python(dict(weights_file.definition)).build()
    except ValidationError as error:
        raise WeightsError(f"{file} defines an unknown network: {error}") from error
    return network


def describe_layers(network: nn.Module) -> dict[str, str]:
    """Return the layers that have parameters, by name, with the shapes of the parameters."""
    described = {}
    for name, module in network.named_modules():
        shapes = [
            f"{parameter} {' × '.join(map(str, value.shape)) or 'one number'}"
            for parameter, value in module.named_parameters(recurse=False)
        ]
        if shapes:
            described[name or type(network).__name__] = (
                f"{type(module).__name__}: {', '.join(shapes)}"
            )
    return described


def evaluate_weights(recipe: str, weights_file: WeightsFile, file: Path) -> Scores:
    """Return the scores of the recipe's network with saved weights, on the recipe's test set."""
    _, task = prepare(load_recipe(recipe))
    load_into(_require_single_network(task).network_to_publish(), weights_file.tensors, file)
    return task.evaluate(held_out_split(task))


def publish_weights(recipe: Recipe, file: Path, store: Path) -> Path:
    """Publish weights that were trained elsewhere, with the network, data and card of a recipe.

    Raises:
        WeightsError: when they do not fit the recipe's network.
    """
    started = time.perf_counter()
    _, task = prepare(recipe)
    load_into(
        _require_single_network(task).network_to_publish(), load_weights_file(file).tensors, file
    )
    card = public_recipe(recipe)
    provenance = Provenance(
        recipe={
            **{name: card[name] for name in ("name", "network", "data", "task")},
            "weights": {"file": file.name, "sha256": file_sha256(file)},
        },
        command=shlex.join(
            ["deepshelf", "train", "publish", f"{recipe.name}.yaml", "--checkpoint", file.name]
        ),
        seed=recipe.seed,
        **Environment.current().model_dump(),
        duration_s=round(time.perf_counter() - started, 1),
    )
    return publish_model(recipe.name, recipe.publish, export_spec(task, recipe), provenance, store)


def _require_single_network(task: Task) -> SingleNetwork:
    if not isinstance(task, SingleNetwork):
        raise WeightsError("a run of several networks cannot be saved or loaded")
    return task
