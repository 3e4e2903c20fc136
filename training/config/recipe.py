"""Recipes: everything that a training run's computation depends on, validated before it starts."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
import yaml
from pydantic import AfterValidator, ValidationError, model_validator

from models_store.base import FrozenModel
from models_store.layout import NAME_RULE, is_valid_name
from models_store.validation_messages import format_errors, suggest
from training.config.tasks import TaskConfig
from training.config.train import PrecisionOption, ResolvedPrecision, TrainConfig
from training.datasets import DataConfig
from training.errors import RecipeError

RECIPE_FILE = "recipe.yaml"
"""Name of the file that holds a run's resolved recipe, in the run's folder."""


_COMPATIBLE_KINDS = (
    ({"language"}, {"char_rnn"}, {"corpus"}),
    ({"handwriting", "strokes"}, {"handwriting", "stroke-reader"}, {"pendigits", "stroke-digits"}),
    ({"photo-compression"}, {"photo-codec"}, {"scenes"}),
    ({"photo-denoising"}, {"photo-denoiser"}, {"album"}),
    ({"imitation"}, {"controller"}, {"demonstrations"}),
)
"""Tasks, networks and data sets that only work together; all others are of images."""
_BFLOAT16_CAPABILITIES = ("amx_bf16", "avx512_bf16", "bf16")
"""Capabilities of x86 and ARM processors, by torch's names."""


class ModelCard(FrozenModel):
    """Text of the model card, and options of publication."""

    summary: str
    intended_use: str
    limits: str
    licence: str = "Apache-2.0 (weights); the data's own terms apply to the data"
    weights: Literal["average", "last"] = "average"
    """Weights to publish: the moving average, if the recipe has one, or those of the last step.
    With a schedule that ends at zero the average is worse: it still holds weights of high rates."""
    storage: Literal["float32", "float16"] = "float32"
    """Format of the weights in the published graph, which computes in float32: float16 takes half
    the bytes, and the card's metrics are measured with it."""
    calibrate: bool = False
    """Divide a classifier's logits by a temperature fitted on the held-out training images (Guo
    et al. 2017, arXiv 1706.04599, section 4.2)."""


def _check_name(name: str) -> str:
    if not is_valid_name(name):
        raise ValueError(f"must be {NAME_RULE}")
    return name


class Recipe(TrainConfig):
    """A training run. All its fields are copied into the manifest of the published model."""

    name: Annotated[str, AfterValidator(_check_name)]
    data: DataConfig
    task: TaskConfig
    publish: ModelCard

    @property
    def publishes_ema(self) -> bool:
        return super().publishes_ema and self.publish.weights == "average"

    @model_validator(mode="after")
    def _check_validation_split(self) -> Self:
        # The number of images, or the part of a text, that is held out. Weights or a temperature
        # that were selected on the test set would bias its metrics.
        data = self.data
        if getattr(data, "validation_size", getattr(data, "validation_fraction", 0)):
            return self
        if self.early_stop:
            raise ValueError("early_stop needs held-out data: set data.validation_size")
        if self.publish.calibrate:
            raise ValueError("publish.calibrate needs held-out images: set data.validation_size")
        return self

    @model_validator(mode="after")
    def _check_compatible_kinds(self) -> Self:
        for tasks, networks, data in _COMPATIBLE_KINDS:
            matches = (
                self.task.kind in tasks,
                self.network.kind in networks,
                self.data.kind in data,
            )
            if any(matches) and not all(matches):
                fields = {"task": tasks, "network": networks, "data": data}
                combination = ", ".join(
                    f"{name} {' or '.join(sorted(kinds))}" for name, kinds in fields.items()
                )
                raise ValueError(
                    f"{combination} belong together, not task {self.task.kind}, "
                    f"network {self.network.kind}, data {self.data.kind}"
                )
        is_handwriting = (self.task.kind == "handwriting", self.network.kind == "handwriting")
        if any(is_handwriting) and not all(is_handwriting):
            raise ValueError("the task handwriting and the network handwriting belong together")
        return self


def built_in_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = Path(str(resources.files("training") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a built-in recipe by name, or any by path, with `a.b=c` overrides (c in YAML).

    Raises:
        RecipeError: naming the file, the field and what it accepts.
    """
    path = built_in_recipes().get(recipe, Path(recipe))
    if not path.is_file():
        hint = suggest(recipe, built_in_recipes())
        raise RecipeError(f"there is no recipe {recipe!r}, neither as a file nor built in; {hint}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not a mapping of recipe fields")
    for override in overrides:
        _apply_override(content, override)
    return validate_recipe(content, path.name)


def load_run_recipe(run_dir: Path) -> Recipe:
    """Return the recipe that a run was trained by.

    Raises:
        RecipeError: when there is no such run.
    """
    path = run_dir / RECIPE_FILE
    if not path.is_file():
        raise RecipeError(f"there is no run {run_dir}: {path} does not exist")
    return load_recipe(str(path))


def validate_recipe(content: Mapping[str, Any], source: str) -> Recipe:
    """Validate the content of a recipe.

    Raises:
        RecipeError: naming `source`, and every field that is wrong.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{source}: {format_errors(error, Recipe)}") from error


def _apply_override(content: dict[str, Any], override: str) -> None:
    keys, separator, value = override.partition("=")
    if not separator or not keys:
        raise RecipeError(f"--set takes a.b=c, not {override!r}")
    *parents, last = keys.split(".")
    target = content
    for key in parents:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {override}: {key!r} is a value, not a mapping of fields")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: {value!r} is not YAML: {error}") from error


def supports_bfloat16() -> bool:
    """Return whether the GPU, or else the processor, has instructions for bfloat16.

    Without them bfloat16 is emulated: on an AVX2 processor a step of ResNet-20 took 15 times as
    long as in float32, and torch's LSTM does not run in it at all.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in _BFLOAT16_CAPABILITIES)


def resolve_precision(
    precision: PrecisionOption, native_bfloat16: bool | None = None
) -> ResolvedPrecision:
    """Resolve `auto`. `native_bfloat16` overrides the detection of native instructions."""
    if precision != "auto":
        return precision
    native_bfloat16 = supports_bfloat16() if native_bfloat16 is None else native_bfloat16
    return "bf16-mixed" if native_bfloat16 else "32-true"


def resolve_recipe(recipe: Recipe) -> Recipe:
    """Return `recipe` with `auto` resolved, so that a run records the format that it used."""
    return recipe.model_copy(update={"precision": resolve_precision(recipe.precision)})
